package proxies

import (
	"cmp"
	"hash/fnv"
	"io"
	"slices"

	"stint/policies"
	signer "stint/server/signer/wire"
)

// Place is a proxy of the broker's configuration: who it is, and where people's ssh
// reaches it.
type Place struct {
	Name    string
	Key     string // SHA-256 of its SubjectPublicKeyInfo, lower-case hex
	Address string // host:port
}

// Directory says which proxies open a target. It gives nothing: the signer lets only those
// open it, and each says itself when it takes no session. It is safe for concurrent use.
type Directory struct {
	Places   []Place
	Statuses *Statuses
	// Signer says what the signer knows of the proxy with a key; nil where it knows none.
	Signer func(key string) *signer.Proxy
}

// Listed is a proxy with what is known of it.
type Listed struct {
	Place
	Signer *signer.Proxy // nil where the signer does not know it, so that it opens nothing
	Status Status
}

// All lists every proxy, as they are configured.
func (d *Directory) All() []Listed {
	all := make([]Listed, len(d.Places))
	for i, place := range d.Places {
		all[i] = Listed{place, d.Signer(place.Key), d.Statuses.Of(place.Name)}
	}
	return all
}

// For lists the proxies that open a target and take new sessions, in the order in which
// they are best tried. Where none takes any, as far as is known, all that open it are named, and
// say themselves what is the matter. Who asks says for whom: the order is another for each and stays
// the same for one while no proxy comes or goes (rendezvous hashing), which spreads people without
// moving them.
func (d *Directory) For(target policies.Target, whom string) []Place {
	var open, serving []Place
	for _, proxy := range d.All() {
		if proxy.Signer == nil || !proxy.Signer.Reach.Opens(target) {
			continue
		}
		if open = append(open, proxy.Place); proxy.Status.Serves() {
			serving = append(serving, proxy.Place)
		}
	}
	if len(serving) > 0 {
		open = serving
	}
	slices.SortFunc(open, func(a, b Place) int {
		return cmp.Or(cmp.Compare(weight(whom, b.Name), weight(whom, a.Name)), cmp.Compare(a.Name, b.Name))
	})
	return open
}

// weight is a number that depends on both names alike, and is evenly spread.
func weight(whom, proxy string) uint64 {
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, whom+"\x00"+proxy) // never fails (package hash)
	x := sum.Sum64()
	// FNV's high bits hardly feel the last bytes; this spreads them (splitmix64).
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
