package access

import (
	"time"

	"stint/policies"
)

// Session is one connection through a proxy.
type Session struct {
	ID      string
	Number  int64  // leaf of the audit log that records its start; orders sessions
	Request string // by whose certificate it was opened
	// Extension is the request whose grant it goes on under; empty: that of Request. Offer is
	// the one that it may go on under next, if the signer says so too; empty for none.
	Extension, Offer string

	// Present is when its person last told the signer that they are there; zero: never.
	Present time.Time

	Serial uint64 // of the certificate it came with
	Person policies.Person
	Role   string
	Login  string
	Target string
	Proxy  string // name of the proxy that holds it

	ClientAddress string
	ClientVersion string

	Started    time.Time
	LeaseUntil time.Time // live no longer than this unless the proxy renews
	Ended      time.Time // zero while it is live
	EndReason  string    // as the proxy reported it, see recorder/wire.SessionEnd

	// Device activated its certificate; empty for none. It ends at DeviceDue unless
	// the device says before that all is well; zero where its role does not ask.
	// DevicePolicy is the digest of the signer's policy by which that was judged; empty for
	// the broker's own, before the signer was heard.
	Device       string
	DeviceDue    time.Time
	DevicePolicy string

	// KillReason and KilledBy are set when the session was told to end by
	// itself, its grant going on.
	KillReason string
	KilledBy   policies.Person

	Bytes int64 // of the recording, as far as the broker holds it
	Size  int64 // of the whole recording, as the proxy reported at the end
	Seals int64 // how many segments are sealed

	Keeping
}

// Grant is the request whose grant it has.
func (s Session) Grant() string {
	if s.Extension != "" {
		return s.Extension
	}
	return s.Request
}

// Live says whether the session has not been reported as ended.
func (s Session) Live() bool { return s.Ended.IsZero() }

// silent says whether its device has not said in time that all is well: it is over,
// whether or not anybody has written that down.
func (s Session) silent(now time.Time) bool {
	return s.Live() && !s.DeviceDue.IsZero() && !now.Before(s.DeviceDue)
}

// SessionStart is what a proxy says about a connection that has authenticated
// with a user certificate.
type SessionStart struct {
	Session       string
	Request       string
	Serial        uint64
	SessionKey    string // that the certificate is for, authorized_keys form
	Login         string
	Target        string
	Proxy         string
	ClientAddress string
	ClientVersion string
}

// StartedSession is a session with the end of its grant.
type StartedSession struct {
	Session   Session
	GrantEnds time.Time
}

// SessionEnd is what a proxy says about a session that is over.
type SessionEnd struct {
	Reason string
	Ended  time.Time
	Bytes  int64
}

// Verdict answers for one session in a renewal: a lease, or why it is over.
type Verdict struct {
	Session   string
	Lease     time.Duration // zero when Ended is set
	Request   string        // whose grant it has
	GrantEnds time.Time     // of that
	Next      string        // Session.Offer, while that is live
	Present   time.Time     // Session.Present
	Ended     string        // dropped, revoked, expired, killed, device, unknown
	By        string        // name of who ended it
}

// Seal is the head of a recording's hash chain after one segment.
type Seal struct {
	Sequence int64
	Offset   int64    // bytes of the recording up to and with this seal
	Head     [32]byte // recorder/wire.Seal.Head
}

// Notice is what proxies are told at once.
type Notice struct {
	Request string // every session of this grant,
	Session string // or this one alone
	Reason  string // dropped, revoked, expired, killed, device
	By      string // name
	At      time.Time
}
