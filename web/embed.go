// Package web embeds the portal: the single-page application that people use in a browser.
//
// The portal is built by Vite into dist (`make build` does it). Only dist/placeholder.html is committed, so that a plain
// `go build` works on a machine without Node; a binary built that way serves the placeholder, which says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

const (
	// Index is the portal's only page. It is served, never cached, for every path that is neither an API path nor a file;
	// the portal's router reads the path in the browser.
	Index = "index.html"

	// Placeholder is the page to serve in the portal's place, with status 503, when Assets reports that it was not built.
	Placeholder = "placeholder.html"

	// HashedDirectory holds files whose names carry a digest of their content. They may be cached for ever;
	// everything else must be revalidated.
	HashedDirectory = "assets"
)

// ContentSecurityPolicy is the header under which every page of the portal is served. The portal is built to need nothing
// more: no inline script or style, no evaluation, no other origin, no Trusted Types policy of its own.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// Assets returns the portal's files, rooted where Index and Placeholder lie, and whether the portal was built into this
// binary. If it was not, the file system holds the placeholder only.
func Assets() (assets fs.FS, built bool) {
	assets, err := fs.Sub(dist, "dist")
	if err != nil {
		// fs.Sub refuses invalid names only, and this name is a constant.
		panic("web: " + err.Error())
	}
	return assets, hasIndex(assets)
}

func hasIndex(assets fs.FS) bool {
	info, err := fs.Stat(assets, Index)
	return err == nil && info.Mode().IsRegular()
}
