package openssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"stint/server/api"
)

// dialSuffix makes a target's name that of the connection to a proxy that opens it.
const dialSuffix = ".stint"

// anyProxy is a name in every proxy's host certificate (the signer's wire.AnyProxy). What
// counts is the host certificate inside, which is the target's.
const anyProxy = "stint"

// dialTime is how long one proxy may take to answer before the next is tried.
const dialTime = time.Second

// ErrNoProxy means that nothing is there to connect through.
var ErrNoProxy = errors.New("the broker names no proxy that opens this target; ask your platform team to configure one")

// ProxiesOf are the proxies that open a target, in the order in which to try them. A
// target that trust does not list is left to all: the proxy says what is the matter.
func ProxiesOf(trust api.Trust, target string) []api.Proxy {
	i := slices.IndexFunc(trust.Targets, func(t api.Target) bool { return t.Name == target })
	if i < 0 {
		return trust.Proxies
	}
	var found []api.Proxy
	for _, name := range trust.Targets[i].Proxies {
		if j := slices.IndexFunc(trust.Proxies, func(p api.Proxy) bool { return p.Name == name }); j >= 0 {
			found = append(found, trust.Proxies[j])
		}
	}
	return found
}

// TargetOf is the target whose proxy ssh_config of [Config] asks for by a name.
func TargetOf(name string) string { return strings.TrimSuffix(name, dialSuffix) }

// Pick returns the first proxy that answers; the only one there is, it does not ask.
func Pick(ctx context.Context, proxies []api.Proxy) (api.Proxy, error) {
	if len(proxies) == 1 {
		return proxies[0], nil
	}
	connection, proxy, err := Dial(ctx, proxies)
	if err != nil {
		return proxy, err
	}
	return proxy, connection.Close()
}

// Dial connects to the first proxy that answers.
func Dial(ctx context.Context, proxies []api.Proxy) (net.Conn, api.Proxy, error) {
	if len(proxies) == 0 {
		return nil, api.Proxy{}, ErrNoProxy
	}
	var failures []string
	for _, proxy := range proxies {
		host, port, err := hostAndPort(proxy)
		if err != nil {
			return nil, proxy, err
		}
		bounded, cancel := context.WithTimeout(ctx, dialTime)
		connection, err := new(net.Dialer).DialContext(bounded, "tcp", net.JoinHostPort(host, port))
		cancel()
		if err == nil {
			return connection, proxy, nil
		}
		failures = append(failures, fmt.Sprintf("%s: %v", proxy.Name, err))
	}
	return nil, api.Proxy{}, fmt.Errorf("no proxy answers (%s); try again in a moment, or tell those who run stint", strings.Join(failures, "; "))
}
