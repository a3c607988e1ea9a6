package signer

import (
	"testing"

	"stint/server/evidence"
)

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
