package broker

import (
	"encoding/json"
	"testing"

	proxywire "stint/recorder/wire"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
	signerwire "stint/server/signer/wire"
)

// With a real signer: what is live is issued once more, by whomever the keys were
// changed, and whenever the broker finds out.
func TestWhatIsLiveIsIssuedOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)
	first, err := alice.activate(request)
	must(t, err)
	stranger, err := api.NewClient(w.config.URL, "", nil)
	must(t, err)
	certificates := func() []api.CertificateInfo {
		t.Helper()
		seen, err := dana.api.Request(ctx, request.ID)
		must(t, err)
		return seen.Certificates
	}

	// 1. Nothing is, while its key counts.
	shown, err := stranger.Reissue(ctx, api.Reissue{Certificate: first.Certificate})
	must(t, err)
	if shown.Certificate.Certificate != first.Certificate || len(shown.Certificate.Proxies) != 1 {
		t.Errorf("what counts is answered with %+v", shown.Certificate)
	}
	var hosts evidence.Trust
	must(t, json.Unmarshal(shown.Hosts, &hosts))
	if trust, err := w.broker.signing.Trust(ctx); err != nil || hosts.Log != trust.Log || len(hosts.HostCA) == 0 || len(hosts.Roster.People)+len(hosts.UserCA)+len(hosts.Policy) > 0 {
		t.Errorf("a stranger is told %s", shown.Hosts)
	}

	// 2. By an administrator.
	rotated, err := dana.api.RotateKeys(ctx, api.KeyRotation{Purpose: "all", Reason: "a backup is missing"})
	must(t, err)
	if rotated.Reissued != 1 || len(rotated.Failed) != 0 || rotated.More {
		t.Errorf("the rotation says %+v", rotated)
	}
	shown, err = stranger.Reissue(ctx, api.Reissue{Certificate: first.Certificate})
	must(t, err)
	second := shown.Certificate
	if second.Serial == first.Serial || !second.Ends.Equal(first.Ends) || sessionKey(t, second.Certificate) != sessionKey(t, first.Certificate) || len(certificates()) != 2 {
		t.Errorf("it is %+v, of %d", second, len(certificates()))
	}
	_, err = w.proxyClient(w.proxy).StartSession(ctx, proxywire.SessionStart{
		Session: "c0ffee00c0ffee00c0ffee00c0ffee00", Request: request.ID, Serial: serial(t, second.Serial), SessionKey: sessionKey(t, second.Certificate),
		Login: "deploy", Target: "web-1", ClientAddress: "127.0.0.1:5000", ClientVersion: "SSH-2.0-OpenSSH_9.2",
	})
	must(t, err)

	// 3. By the signer, while no broker runs; and this one is killed between the signer's
	// entry and its own note.
	w.stop()
	signer, err := signerwire.NewClient(w.config.Signer.URL, w.config.Signer.Key, w.own.pair)
	must(t, err)
	defer signer.Close()
	_, err = signer.Rotate(ctx, signerwire.RotateRequest{Purpose: evidence.PurposeUserCA, Reason: "once more"})
	must(t, err)
	lost, err := signer.Reissue(ctx, signerwire.ReissueRequest{Serial: serial(t, second.Serial)})
	must(t, err)
	w.restart()
	w.eventually("the broker has what it lost", func() bool { return len(certificates()) == 3 })
	shown, err = stranger.Reissue(ctx, api.Reissue{Certificate: second.Certificate})
	must(t, err)
	if serial(t, shown.Certificate.Serial) != lost.Serial {
		t.Errorf("it is number %s, and the signer's was %d", shown.Certificate.Serial, lost.Serial)
	}

	// 4. The monitor finds nothing amiss.
	must(t, w.broker.monitor.Round(ctx))
	if alarms := getJSON[api.Alarms](t, dana, api.PathAlarms); alarms.Open != 0 {
		t.Errorf("there are alarms: %+v", alarms.Items)
	}

	// 5. Nothing is once it was revoked.
	_, err = bob.api.Revoke(ctx, request.ID, api.Taking{})
	must(t, err)
	rotated, err = dana.api.RotateKeys(ctx, api.KeyRotation{Purpose: "user-ca", Reason: "and again"})
	must(t, err)
	_, err = stranger.Reissue(ctx, api.Reissue{Certificate: shown.Certificate.Certificate})
	if problem, ok := err.(*api.Error); !ok || problem.Code != access.CodeNotLive || rotated.Reissued != 0 || len(certificates()) != 3 {
		t.Errorf("after the revocation: %v, %+v, %d certificates", err, rotated, len(certificates()))
	}
}
