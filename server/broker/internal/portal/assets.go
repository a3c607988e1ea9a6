package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"stint/server/api"
	"stint/web"
)

// assets are the web's files, ready to be sent.
type assets struct {
	files map[string]asset // by path, without a leading slash
	index asset            // served for every page of the portal
	built bool
}

type asset struct {
	body []byte
	// zipped compresses it when it is first asked for: a broker that starts anew must
	// not keep sessions waiting for that. It is nil, or gives nil, where it does not pay.
	zipped  func() []byte
	media   string
	tag     string // ETag, weak: both codings have it
	forever bool   // the name carries a digest of the content
}

var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png",
	".ico": "image/x-icon", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8", ".map": "application/json",
}

// loadAssets reads the embedded web into memory: what web.Assets returns.
func loadAssets(files fs.FS, built bool) (*assets, error) {
	a := &assets{files: map[string]asset{}, built: built}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		a.files[name] = newAsset(name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the embedded web: %w", err)
	}
	page := web.Index
	if !built {
		page = web.Placeholder
	}
	index, ok := a.files[page]
	if !ok {
		return nil, fmt.Errorf("the embedded web has no %s", page)
	}
	a.index = index
	return a, nil
}

func newAsset(name string, body []byte) asset {
	media, known := mediaTypes[path.Ext(name)]
	if !known {
		media = "application/octet-stream"
	}
	sum := sha256.Sum256(body)
	a := asset{body: body, media: media, tag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		forever: strings.HasPrefix(name, web.HashedDirectory+"/")}
	if strings.HasPrefix(media, "image/png") || strings.HasPrefix(media, "font/") || len(body) < 1024 {
		return a
	}
	a.zipped = sync.OnceValue(func() []byte { return zip(body) })
	return a
}

// zip compresses a file, or gives nil where that does not pay.
func zip(body []byte) []byte {
	var zipped bytes.Buffer
	// A buffer takes everything, and the level is one there is.
	writer, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	_, _ = writer.Write(body)
	_ = writer.Close()
	if zipped.Len() >= len(body)*9/10 {
		return nil
	}
	return zipped.Bytes()
}

// serveAsset answers whatever is no route: a file of the web, or the portal's
// one page, whose own router reads the path.
func (p *Portal) serveAsset(c *gin.Context) {
	route := c.Request.URL.Path
	read := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if !read || strings.HasPrefix(route, "/api/") || strings.HasPrefix(route, "/auth/") {
		p.refuse(c, &api.Error{Status: http.StatusNotFound, Code: "path.not-found", Title: "There is nothing at this path."})
		return
	}
	if file, ok := p.assets.files[strings.TrimPrefix(route, "/")]; ok && p.assets.built {
		file.send(c, http.StatusOK)
		return
	}
	if strings.HasPrefix(route, "/"+web.HashedDirectory+"/") || strings.Contains(path.Base(route), ".") {
		p.refuse(c, &api.Error{Status: http.StatusNotFound, Code: "path.not-found", Title: "There is no such file; reload the page."})
		return
	}
	if !p.assets.built {
		p.assets.index.send(c, http.StatusServiceUnavailable)
		return
	}
	p.assets.index.send(c, http.StatusOK)
}

func (a asset) send(c *gin.Context, status int) {
	header := c.Writer.Header()
	header.Set("Content-Type", a.media)
	switch {
	case status != http.StatusOK:
	case a.forever:
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		header.Set("Cache-Control", "no-cache")
	}
	body := a.body
	if a.zipped != nil {
		header.Set("Vary", "Accept-Encoding")
		if acceptsGzip(c.GetHeader("Accept-Encoding")) {
			if zipped := a.zipped(); zipped != nil {
				header.Set("Content-Encoding", "gzip")
				body = zipped
			}
		}
	}
	if status == http.StatusOK {
		header.Set("ETag", a.tag)
		if c.GetHeader("If-None-Match") == a.tag {
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow()
			return
		}
	}
	header.Set("Content-Length", fmt.Sprint(len(body)))
	c.Status(status)
	c.Writer.WriteHeaderNow()
	if c.Request.Method != http.MethodHead {
		_, _ = c.Writer.Write(body)
	}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(coding, "gzip") && !strings.Contains(strings.ReplaceAll(quality, " ", ""), "q=0") {
			return true
		}
	}
	return false
}
