package signer

import (
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// BenchmarkIssuance is what a certificate for a person costs when everything is
// verified, beside what it would cost to sign whatever one is asked for. Both are
// measured in the same run, with as many callers: issued/s is the signer's, bare/s
// is ssh.Certificate.SignCert with an Ed25519 key, and ratio the one by the other.
// The rest says where the time of one issuance goes, in microseconds a caller
// waits: verifying and deciding (most of it passkey and ID token signatures), the
// disk (one fsync is shared by all who wait for it), and the signature itself.
func BenchmarkIssuance(b *testing.B) {
	const callers = 64
	w := openWorld(b)
	w.signer.sessions = newLimiter(1e9, 1e9)
	w.mustSign(w.bundle("r0", newKey(b))) // the provider's keys are known from then on
	request := w.ask(w.alice, "r1")
	asked, err := evidence.DecodeAs[*evidence.Request](request)
	must(b, err)
	bundles := make([]evidence.Bundle, b.N) // a session key each
	for i := range bundles {
		bundles[i] = w.bundleOf(request, newKey(b))
	}
	var verify, disk, sign atomic.Int64
	spent := func(sum *atomic.Int64, since time.Time) time.Time {
		now := time.Now()
		sum.Add(now.Sub(since).Nanoseconds())
		return now
	}
	issue := func(bundle evidence.Bundle) error {
		begin := time.Now()
		index, err := untilUnchanged(func() (int64, error) { return w.signer.admit(wire.SessionRequest{Bundle: bundle}, asked) })
		if err != nil {
			return err
		}
		begin = spent(&verify, begin)
		entry, err := w.signer.book.settle(b.Context(), index)
		if err != nil {
			return err
		}
		begin = spent(&disk, begin)
		_, err = w.signer.certifySession(entry)
		spent(&sign, begin)
		return err
	}
	b.ResetTimer()
	issued := rate(b, callers, b.N, func(i int) error { return issue(bundles[i]) })
	b.StopTimer()

	template := bareCertificate(b)
	authority, err := w.signer.authority(evidence.PurposeUserCA, w.signer.book.state.entries)
	must(b, err)
	bare := rate(b, callers, max(b.N, 4096), func(int) error {
		certificate := *template
		return certificate.SignCert(rand.Reader, authority)
	})
	b.ReportMetric(issued, "issued/s")
	b.ReportMetric(bare, "bare/s")
	b.ReportMetric(issued/bare, "ratio")
	for name, sum := range map[string]*atomic.Int64{"verify-µs": &verify, "disk-µs": &disk, "sign-µs": &sign} {
		b.ReportMetric(float64(sum.Load())/float64(b.N)/1e3, name)
	}
	b.ReportMetric(0, "ns/op") // which would be the wall clock by b.N: issued/s, the other way up
}

// rate runs act n times from some callers, and returns how often in a second.
func rate(b *testing.B, callers, n int, act func(i int) error) float64 {
	b.Helper()
	var next atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for range callers {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := act(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	return float64(n) / time.Since(begin).Seconds()
}

// bareCertificate is a certificate like those for people, without a signature.
func bareCertificate(b *testing.B) *ssh.Certificate {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(newKey(b)))
	must(b, err)
	now := uint64(time.Now().Unix())
	return &ssh.Certificate{
		Key: key, Serial: 1, CertType: ssh.UserCert, KeyId: "r1", ValidPrincipals: []string{strings.Repeat("p", 16)},
		ValidAfter: now, ValidBefore: now + 3600, Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
}

// BenchmarkSignTarget is one connection through the proxy: verification, entry,
// fsync, signature.
func BenchmarkSignTarget(b *testing.B) {
	w := openWorld(b)
	w.signer.targets = newLimiter(1e9, 1e9)
	w.mustSign(w.bundle("r1", newKey(b)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.signTarget("r1"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkVerify is the part of it that is no disk.
func BenchmarkVerify(b *testing.B) {
	w := openWorld(b)
	w.mustSign(w.bundle("r0", newKey(b)))
	bundle, trust := w.bundle("r1", newKey(b)), w.beliefs().trust
	for b.Loop() {
		if _, err := evidence.Verify(bundle, trust, evidence.Circumstances{Now: w.clock.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}
