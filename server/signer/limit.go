package signer

import (
	"sync"
	"time"
)

// limiter bounds how often something may be done in the name of each key: a
// burst, refilled at a steady rate. It remembers a bounded number of keys.
type limiter struct {
	burst   float64
	perSec  float64
	maxKeys int

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(burst, perSec float64) *limiter {
	return &limiter{burst: burst, perSec: perSec, maxKeys: 4096, buckets: map[string]bucket{}}
}

// allow takes one token of key's bucket at the time now.
func (l *limiter) allow(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= l.maxKeys && !l.forget(now) {
			return false
		}
		b = bucket{l.burst, now}
	}
	b.tokens = l.level(b, now)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.buckets[key] = b
	return ok
}

func (l *limiter) level(b bucket, now time.Time) float64 {
	return min(l.burst, b.tokens+l.perSec*max(0, now.Sub(b.at).Seconds()))
}

// forget drops buckets that are full again, and says whether there were any.
func (l *limiter) forget(now time.Time) bool {
	for key, b := range l.buckets {
		if l.level(b, now) >= l.burst {
			delete(l.buckets, key)
		}
	}
	return len(l.buckets) < l.maxKeys
}
