package signer

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// hostLife is how long a host certificate lives. Proxies renew it in time.
const hostLife = 30 * 24 * time.Hour

// signTarget signs for a proxy that is to open one connection to the target of a
// live grant. The caller is a pinned proxy: the server has seen to that.
func (s *signer) signTarget(ctx context.Context, proxy ProxyConfig, in wire.TargetRequest) (wire.TargetCertificate, error) {
	none := wire.TargetCertificate{}
	// 1. Parse strictly.
	if _, err := evidence.ParseKey(in.PublicKey); err != nil {
		return none, refuse(http.StatusBadRequest, "public-key", sentence(err.Error()))
	}
	if evidence.CheckRequest(in.Request) != nil {
		return none, refuse(http.StatusBadRequest, "request-id", "The request id is not one.")
	}
	// Each proxy has its own measure: a stolen one is not to crowd out the others.
	if !s.targets.allow(proxy.Name+" "+in.Request, s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Too many connections were opened under this grant. Wait a moment.")
	}
	// 2 to 5. Find the grant, verify it again, decide, and stage the entry.
	var answer wire.TargetCertificate
	// 6. The entry is on the disk before anything is signed. 7. Sign.
	entry, certificate, err := s.issue(ctx, func() (index int64, err error) {
		index, answer, err = s.admitTarget(ctx, proxy, in)
		return index, err
	}, func(e settled) (string, error) { return s.certifyTarget(e, answer.Rules.Extensions()) })
	if err != nil {
		return none, err
	}
	answer.Certificate, answer.Ends = certificate, entry.entry.Target.Ends
	return answer, nil
}

// admitTarget stages the Target entry, and returns all of the answer but the
// certificate and its end.
func (s *signer) admitTarget(ctx context.Context, proxy ProxyConfig, in wire.TargetRequest) (int64, wire.TargetCertificate, error) {
	none := wire.TargetCertificate{}
	// 2. The grant was activated, is not ended and not over.
	var beliefs belief
	var believed evidence.Beliefs
	var circumstances evidence.Circumstances
	var last int64
	var refused error
	err := s.book.look(true, func(state *state, now time.Time) {
		var g *grant
		if g, refused = alive(state, in.Request, now); refused == nil {
			beliefs, believed, last = beliefOf(state, now), state.beliefs, g.last
			if circumstances.Now = now; beliefs.policy != nil {
				circumstances = state.circumstances(beliefs.policy, g.requester, &g.asked, now)
			}
		}
	})
	if err != nil {
		return 0, none, err
	}
	if refused != nil {
		return 0, none, refused
	}
	// 3. It would be given today: a policy that was tightened, a target that was
	// relabelled or is gone, an approver who lost a group or a passkey, a device
	// that was blocked count from the next connection on.
	session, err := s.book.settle(ctx, last)
	if err != nil {
		return 0, none, err
	}
	entry := session.entry.Session
	verified, err := believed.VerifyAnew(*entry, circumstances)
	if err != nil {
		return 0, none, refuseEvidence(err)
	}
	ends := earliest(entry.Ends, verified.Ends())
	if verified.Principal() != entry.Principal {
		return 0, none, refuse(http.StatusForbidden, "principal-changed", "The policy names this login or target otherwise by now. Ask anew.")
	}
	target := verified.Target()
	if !proxy.Reach.Opens(target) {
		return 0, none, refuse(http.StatusForbidden, "proxy-reach", "This proxy may not open this target. Connect through another; stint ssh finds it.")
	}
	answer := wire.TargetCertificate{
		Login: verified.Request().Ask.Login, Target: target.Name, Address: target.Address, HostKey: target.HostKey,
		GrantEnds: ends, Role: entry.Role, Requester: entry.Requester, Rules: rulesOf(verified.Role(), verified.Recordings()),
	}
	// 4. Nothing of this changed meanwhile. 5. The entry.
	index, err := s.book.decide(true, func(state *state, now time.Time, index int64) (*evidence.Entry, int64, error) {
		g, err := alive(state, in.Request, now)
		if err != nil {
			return nil, 0, err
		}
		if state.beliefs.Latest() != beliefs.latest || g.last != last ||
			!circumstances.Same(state.circumstances(beliefs.policy, g.requester, &g.asked, now)) {
			return nil, 0, errChanged
		}
		if !now.Before(ends.Truncate(time.Second)) {
			return nil, 0, refuseOver()
		}
		if answer.Rules.SingleUse && g.entered != nil {
			index, err := g.entered.again(state, proxy, in, now)
			return nil, index, err
		}
		return &evidence.Entry{Target: &evidence.TargetEntry{
			Request:   in.Request,
			Proxy:     proxy.Name,
			Principal: entry.Principal,
			Serial:    serialOf(index),
			PublicKey: in.PublicKey,
			Ends:      earliest(now.Add(wire.TargetLife), ends),
		}}, 0, nil
	})
	return index, answer, err
}

// again is the entry of the one certificate that a single use has, for the same proxy
// and the same key, which may have missed the answer. All others are refused, and so is
// this one once it has ended.
func (e *entered) again(state *state, proxy ProxyConfig, in wire.TargetRequest, now time.Time) (int64, error) {
	if e.entry.Proxy == proxy.Name && e.entry.PublicKey == in.PublicKey && now.Before(e.entry.Ends.Truncate(time.Second)) &&
		state.signing.signs(evidence.PurposeTargetCA, e.index) {
		return e.index, nil
	}
	return 0, refuse(http.StatusForbidden, "used", "This grant is for one session, which was opened already. Ask anew.")
}

// rulesOf are what the proxy holds sessions in a role to.
func rulesOf(role policies.Role, sealed policies.Recordings) wire.SessionRules {
	return wire.SessionRules{
		IdleSeconds: int64(role.Session.Idle / time.Second), ReauthenticateSeconds: int64(role.Session.Reauthenticate / time.Second), Channels: role.Session.Channels, Networks: role.Session.Networks,
		SingleUse: role.SingleUse,
		Files:     role.Recording.Files, Forwards: role.Recording.Forwards, BulkBytes: int64(role.Recording.BulkMebibytes) << 20,
		Outage:     role.Recording.Outage,
		Recipients: wire.Recipients{Session: sealed.Recipients, First: sealed.Input.First, Second: sealed.Input.Second},
	}
}

// alive finds the grant of a request that may be used now.
func alive(state *state, request string, now time.Time) (*grant, error) {
	if _, ended := state.endings[request]; ended {
		return nil, refuseEnded()
	}
	g := state.grants[request]
	if g == nil {
		return nil, refuse(http.StatusForbidden, "not-activated", "Nothing was activated under this request.")
	}
	if !now.Before(g.ends) {
		return nil, refuseOver()
	}
	return g, nil
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// signHost signs a proxy's host key for the proxy's own names and every target's,
// so that ssh finds the host that it asked for.
func (s *signer) signHost(ctx context.Context, proxy ProxyConfig, in wire.HostRequest) (wire.HostCertificate, error) {
	none := wire.HostCertificate{}
	// 1. Parse strictly.
	if _, err := evidence.ParseKey(in.PublicKey); err != nil {
		return none, refuse(http.StatusBadRequest, "public-key", sentence(err.Error()))
	}
	if !s.hosts.allow(proxy.Name, s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Too many host certificates were asked for. Wait a minute.")
	}
	// 2. The names are the configuration's and the policy's. 3. The entry.
	// 4. It is on the disk before anything is signed. 5. Sign.
	admit := func() (int64, error) { return s.admitHost(proxy, in) }
	entry, certificate, err := s.issue(ctx, admit, s.certifyHost)
	if err != nil {
		return none, err
	}
	return wire.HostCertificate{Certificate: certificate, Principals: entry.entry.Host.Principals, Ends: entry.entry.Host.Ends}, nil
}

// admitHost stages the Host entry, or finds the one that still serves.
func (s *signer) admitHost(proxy ProxyConfig, in wire.HostRequest) (int64, error) {
	return s.book.decide(true, func(state *state, now time.Time, index int64) (*evidence.Entry, int64, error) {
		// Of targets that it may not open, it must not pass for one.
		principals := append(slices.Clone(proxy.Names), wire.AnyProxy)
		if policy := state.beliefs.Policy(now); policy != nil {
			for _, target := range policy.Targets() {
				if proxy.Reach.Opens(target) {
					principals = append(principals, target.Name)
				}
			}
		}
		slices.Sort(principals)
		principals = slices.Compact(principals)
		last := state.hosts[proxy.Name]
		if last.entry.PublicKey == in.PublicKey && slices.Equal(last.entry.Principals, principals) && last.entry.Ends.Sub(now) > hostLife/2 &&
			state.signing.signs(evidence.PurposeHostCA, last.index) {
			return nil, last.index, nil
		}
		return &evidence.Entry{Host: &evidence.HostEntry{
			Proxy:      proxy.Name,
			Principals: principals,
			Serial:     serialOf(index),
			PublicKey:  in.PublicKey,
			Ends:       now.Add(hostLife).Truncate(time.Second),
		}}, 0, nil
	})
}
