package access

import (
	"errors"
	"fmt"

	"stint/policies"
)

// Problem classes an error, so that each surface can answer in its own way
// (an HTTP status, an exit code, a colour).
type Problem string

const (
	// Invalid: the input is wrong; Fields says where. Nothing was stored.
	Invalid Problem = "invalid"
	// Unauthenticated: it is not known who calls.
	Unauthenticated Problem = "unauthenticated"
	// Forbidden: the caller may not do this.
	Forbidden Problem = "forbidden"
	// NotFound: there is no such thing, or the caller may not see it.
	NotFound Problem = "not-found"
	// Conflict: the thing has moved on; reading it again shows how.
	Conflict Problem = "conflict"
	// PolicyRefused: policy says no. Decision has the reasons.
	PolicyRefused Problem = "policy-refused"
	// SignerRefused: the signer said no.
	SignerRefused Problem = "signer-refused"
	// Unavailable: something this needs does not answer; trying again may help.
	Unavailable Problem = "unavailable"
)

// Codes of errors. They are stable: programs and screens depend on them.
const (
	CodeInvalid            = "input.invalid"
	CodeSignInNeeded       = "sign-in.needed"
	CodeSignInUnconfirmed  = "sign-in.unconfirmed"
	CodeTokenUsed          = "sign-in.token-used"
	CodeForbidden          = "forbidden"
	CodeRequestNotFound    = "request.not-found"
	CodeNotPending         = "request.not-pending" // decided, withdrawn or expired already
	CodeNotLive            = "request.not-live"    // not approved or active, or past its end
	CodeAlreadyApproved    = "request.approved-by-you"
	CodeNotCounted         = "request.not-counted"   // an approval that would count for nothing
	CodeScheduled          = "request.scheduled"     // it begins later
	CodeConfirmFirst       = "request.confirm-first" // the requester has to confirm, or to confirm again
	CodeNothingToConfirm   = "request.nothing-to-confirm"
	CodeNothingToReview    = "request.nothing-to-review"
	CodeUsedOnce           = "request.used-once" // a role of a single use
	CodeDelegationNotFound = "delegation.not-found"
	CodeDelegationOver     = "delegation.over"
	CodePolicyRefused      = "policy.refused"
	CodeStatementUnknown   = "statement.unknown"   // not the text that was handed out, or used, or too old
	CodeAssertion          = "statement.assertion" // the passkey's signature does not fit the text
	CodeNotPinned          = "passkey.not-pinned"
	CodePasskeyNotFound    = "passkey.not-found"
	CodePasskeyExists      = "passkey.exists"
	CodeActivation         = "activation.evidence" // the activation's evidence does not fit
	CodeCertificateUnknown = "certificate.unknown"
	CodeCertificateHeld    = "certificate.withheld" // issued, but the grant ended meanwhile
	CodeSessionNotFound    = "session.not-found"
	CodeSessionEnded       = "session.ended"
	CodeSessionRefused     = "session.refused" // certificate, login or target is not the grant's
	CodeManySessions       = "session.too-many"
	CodeNotExtended        = "session.not-extended" // the grant is not for this session
	CodeSealChanged        = "recording.seal-changed"
	CodeSealOrder          = "recording.seal-order"
	CodeRecordingHeld      = "recording.held"    // under a legal hold already, or not
	CodeRecordingRemoved   = "recording.removed" // its time was over
	CodeEnrolmentNotFound  = "enrolment.not-found"
	CodeEnrolmentState     = "enrolment.state" // not at this step
	CodeConfirmation       = "confirmation.not-found"
	CodeConfirmed          = "confirmation.done"
	CodeChangeNotFound     = "change.not-found"
	CodeChangeState        = "change.state" // not waiting, or not at this step
	CodeRoleNotFound       = "role.not-found"
	CodeManyChanges        = "change.too-many"
	CodeSignedAlready      = "change.signed-by-you"
	CodePolicySame         = "policy.same"
	CodePersonNotFound     = "person.not-found"
	CodePersonState        = "person.state" // suspended already, or not suspended
	CodeSuspended          = "person.suspended"
	CodeBelowQuorum        = "roster.below-quorum"
	CodeInventory          = "inventory.evidence" // its evidence does not fit
	CodeDeviceNotFound     = "device.not-found"
	CodeDeviceBlocked      = "device.blocked"
	CodeDeviceRefused      = "device.refused" // the session's device does not comply with its role
	CodePosture            = "device.posture" // what the device says does not hold, or is from the future
	CodeFleetUnavailable   = "fleet.unavailable"
	CodeFleetUnknown       = "fleet.unknown" // Fleet does not know the machine
	CodeFleetTaken         = "fleet.taken"   // its host is another device's
	CodeClockBehind        = "clock.behind"  // giving stops until the clock is right
	CodeSignerRefused      = "signer.refused"
	CodeSignerUnavailable  = "signer.unavailable"
	CodeBusy               = "store.busy" // lost every retry against other writers
	CodeAlarmNotFound      = "alarm.not-found"
	CodeAlarmAcknowledged  = "alarm.acknowledged"
)

// Error is every error of this package that a person may see.
type Error struct {
	Problem Problem
	Code    string
	// Message is one sentence, or two, that tells the user what to do. It holds
	// no secret and nothing of the cause.
	Message string
	// Fields names wrong input, by the names of server/api, without "body.".
	Fields []FieldError
	// Decision is set for PolicyRefused.
	Decision *policies.Decision
	// Cause is for the log only.
	Cause error
}

// FieldError names one wrong field of the input.
type FieldError struct {
	Field   string
	Message string
}

// Error gives code and message, and the cause, for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s (%v)", e.Code, e.Message, e.Cause)
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// IsCode reports whether err is, or wraps, an Error with this code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ErrRaced is what a Tx answers when a row is no longer in the state in which
// it was read. The flow turns it into a Conflict that names the present state.
var ErrRaced = errors.New("the row has changed since it was read")

// ErrNoRow is what a Reader answers when there is no such row.
var ErrNoRow = errors.New("no such row")

// ErrRowExists is what a Tx answers when a row with this key is there already.
var ErrRowExists = errors.New("a row with this key exists")

func fail(problem Problem, code, format string, arguments ...any) *Error {
	return &Error{Problem: problem, Code: code, Message: fmt.Sprintf(format, arguments...)}
}

func invalid(field, format string, arguments ...any) *Error {
	message := fmt.Sprintf(format, arguments...)
	return &Error{
		Problem: Invalid, Code: CodeInvalid, Message: message,
		Fields: []FieldError{{Field: field, Message: message}},
	}
}

func (e *Error) because(cause error) *Error {
	e.Cause = cause
	return e
}
