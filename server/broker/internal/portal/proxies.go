package portal

import (
	"context"
	"net/http"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/proxies"
)

func (p *Portal) registerProxies(r registrar) {
	operation(r, http.MethodGet, api.PathProxies, "proxies", "The recording proxies, how they are and what they open", p.proxies)
}

func (p *Portal) proxies(context.Context, *noInput) (*body[api.ProxyList], error) {
	shown := api.ProxyList{Items: []api.ProxyState{}}
	targets := p.policy().Targets()
	for _, proxy := range p.config.Proxies.All() {
		item := api.ProxyState{
			Name: proxy.Name, Address: proxy.Address, Labels: map[string]string{}, State: proxy.Status.State, Version: proxy.Status.Version,
			Sessions: proxy.Status.Sessions, Targets: []string{},
		}
		if !proxy.Status.Heard.IsZero() {
			started, heard := proxy.Status.Started.UTC(), proxy.Status.Heard.UTC()
			item.Started, item.Heard = &started, &heard
		}
		if proxy.Signer != nil {
			if proxy.Signer.Labels != nil {
				item.Labels = proxy.Signer.Labels
			}
			for _, target := range targets {
				if proxy.Signer.Reach.Opens(target) {
					item.Targets = append(item.Targets, target.Name)
				}
			}
		}
		shown.Items = append(shown.Items, item)
	}
	return &body[api.ProxyList]{shown}, nil
}

// proxiesFor are those that a grant's ssh is to try, in this order. None opens a target
// that policy has no longer.
func (p *Portal) proxiesFor(q access.Request) []api.Proxy {
	target, ok := p.policy().Target(q.Revision.Ask.Target)
	if !ok {
		return []api.Proxy{}
	}
	return toProxies(p.config.Proxies.For(target, q.Requester.Subject.String()))
}

// reached are the targets, each with the proxies that somebody's ssh is to try, and all
// those proxies.
func (p *Portal) reached(targets []policies.Target, whom policies.Subject) ([]api.Target, []api.Proxy) {
	converted, known := toTargets(targets), map[string]bool{}
	all := []api.Proxy{}
	for i, target := range targets {
		for _, place := range p.config.Proxies.For(target, whom.String()) {
			converted[i].Proxies = append(converted[i].Proxies, place.Name)
			if !known[place.Name] {
				known[place.Name] = true
				all = append(all, toProxy(place))
			}
		}
	}
	return converted, all
}

func toProxies(places []proxies.Place) []api.Proxy {
	converted := make([]api.Proxy, len(places))
	for i, place := range places {
		converted[i] = toProxy(place)
	}
	return converted
}

func toProxy(place proxies.Place) api.Proxy {
	return api.Proxy{Name: place.Name, Address: place.Address}
}
