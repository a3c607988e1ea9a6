package wire

import "slices"

// Why a session ended. Proxies report one of these (SessionEnd), and the broker
// orders the first four (Verdict, Ending). Recordings keep the same words:
// recorder/cast has them as a format of its own, which must stay readable
// whatever becomes of this contract.
const (
	ReasonDropped          = "dropped"          // its holder gave the grant back
	ReasonRevoked          = "revoked"          // somebody took the grant away
	ReasonExpired          = "expired"          // the grant ran out
	ReasonKilled           = "killed"           // somebody ended this session; the grant went on
	ReasonCompleted        = "completed"        // the client hung up
	ReasonDevice           = "device"           // the machine it comes from no longer complies; the grant went on
	ReasonIdle             = "idle"             // nothing was sent for longer than its role lets a session stand; the grant went on
	ReasonReauthentication = "reauthentication" // its person did not say again that they are there; the grant went on
	ReasonLeaseLost        = "lease-lost"       // the proxy could not renew its lease
	ReasonRecorderFailed   = "recorder-failed"  // it could no longer be recorded
	ReasonCut              = "cut"              // the proxy died
	ReasonProxyStopped     = "proxy-stopped"    // the proxy was told to stop
	ReasonFailed           = "failed"           // the target could not be reached, or went away
)

var reasons = []string{
	ReasonDropped, ReasonRevoked, ReasonExpired, ReasonKilled, ReasonDevice, ReasonCompleted, ReasonIdle, ReasonReauthentication,
	ReasonLeaseLost, ReasonRecorderFailed, ReasonCut, ReasonProxyStopped, ReasonFailed,
}

// Reasons returns every reason for which a session may be reported to have
// ended. The caller owns the list.
func Reasons() []string { return slices.Clone(reasons) }
