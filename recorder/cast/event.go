package cast

import (
	"fmt"
	"time"
)

// Event is one thing that happened in a session.
type Event struct {
	// Offset is the time since the header's Started, on the monotonic clock, in
	// whole microseconds. It never goes back within a recording.
	Offset time.Duration
	// Channel numbers the channels of a session from 1, as the proxy opened them.
	// 0 stands for the session as a whole.
	Channel uint32
	Body    Body
}

// Body is what an event says: one of [ChannelOpen], [Output], [ErrorOutput],
// [Input], [WindowChange], [Signal], [ExitStatus], [ExitSignal], [EOF],
// [ChannelClose], [Refused], [Environment], [Note], [End], [Connection],
// [ConnectionEnd], [AgentSignature], [Listen], [FileOperation] and [Bulk].
type Body interface {
	// Kind tells the bodies apart; its name is what exports and JSON show.
	Kind() Kind
	append([]byte) []byte
	check() error
}

// Output is what the target wrote to standard output: any bytes.
type Output []byte

// ErrorOutput is what the target wrote to standard error: any bytes.
type ErrorOutput []byte

// Input is what the client sent: any bytes. It may hold passwords; exports leave
// it out unless they are asked for it.
type Input []byte

// ChannelType is what a channel runs or carries.
type ChannelType string

// The types of channels. The first three have a [ChannelOpen], the others a
// [Connection].
const (
	Shell         ChannelType = "shell"
	Exec          ChannelType = "exec"
	Subsystem     ChannelType = "subsystem"
	Forward       ChannelType = "forward"        // a connection that the client asked the target to make
	RemoteForward ChannelType = "remote-forward" // a connection that came to a port or socket of the target's
	Agent         ChannelType = "agent"          // a connection from the target to the client's agent
	X11           ChannelType = "x11"            // a connection from the target to the client's screen
)

// Size is the size of a terminal. Columns and Rows are in characters, Width and
// Height in pixels; zero means unknown.
type Size struct {
	Columns uint32 `json:"columns"`
	Rows    uint32 `json:"rows"`
	Width   uint32 `json:"width"`
	Height  uint32 `json:"height"`
}

// ChannelOpen says that a channel began to run something. It is written when the
// shell, command or subsystem is asked for; the environment may come before it.
type ChannelOpen struct {
	Type ChannelType `json:"type"`
	// Command is the command of an exec, the name of a subsystem, empty for a
	// shell. Any bytes.
	Command string `json:"command"`
	// Terminal is the value of TERM; empty without a terminal. Any bytes.
	Terminal string `json:"terminal"`
	Size     Size   `json:"size"` // zero without a terminal
}

// WindowChange is a new size of the channel's terminal.
type WindowChange Size

// Signal is a signal that the client sent, without "SIG".
type Signal string

// ExitStatus is the status with which a channel's command ended.
type ExitStatus uint32

// ExitSignal says that a signal ended a channel's command.
type ExitSignal struct {
	Signal     string `json:"signal"` // without "SIG"
	CoreDumped bool   `json:"coreDumped"`
	Message    string `json:"message"`
}

// EOF says that one side will send no more; Input is true when it was the client.
type EOF struct {
	Input bool `json:"input"`
}

// ChannelClose says that a channel is gone.
type ChannelClose struct{}

// Refused says that the proxy refused a channel or a request.
type Refused struct {
	What string `json:"what"` // kind of channel or request, as the client named it; any bytes
	Why  string `json:"why"`  // the reason that the user was given
}

// Environment is a variable that the client set.
type Environment struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Note is a remark by the proxy, for example "revoked by bob".
type Note string

// Reason is how a session ended: lower-case letters and hyphens, at most 32.
type Reason string

// The reasons known today; a reader shows others as they are.
const (
	Completed        Reason = "completed"        // client or target closed it
	Expired          Reason = "expired"          // the grant ran out
	Dropped          Reason = "dropped"          // its holder gave it back
	Revoked          Reason = "revoked"          // somebody took it away
	Killed           Reason = "killed"           // somebody ended this session; the grant went on
	Device           Reason = "device"           // the machine it came from no longer complied; the grant went on
	Idle             Reason = "idle"             // nothing was sent for too long; the grant went on
	Reauthentication Reason = "reauthentication" // its person did not say again that they are there; the grant went on
	LeaseLost        Reason = "lease-lost"       // the proxy could not renew its lease
	Failed           Reason = "failed"           // the target could not be reached, or went away
	Cut              Reason = "cut"              // the proxy died; written afterwards by Resume

	RecorderFailed Reason = "recorder-failed" // it could no longer be recorded
	ProxyStopped   Reason = "proxy-stopped"   // the proxy was told to stop
)

// End is the last event of every finished recording, on channel 0. [Writer.Close]
// and [Resume] write it, not encrypted. A recording without it was cut.
type End struct {
	Reason Reason `json:"reason"`
	Detail string `json:"detail"` // a sentence for people; may be empty
	// Removed counts the bytes of an unfinished record that [Resume] took away.
	Removed int64 `json:"removed"`
}

// Kind numbers the bodies of events in the format.
type Kind uint8

// The kinds, one for each body.
const (
	KindChannelOpen  Kind = 1
	KindOutput       Kind = 2
	KindErrorOutput  Kind = 3
	KindInput        Kind = 4
	KindWindowChange Kind = 5
	KindSignal       Kind = 6
	KindExitStatus   Kind = 7
	KindExitSignal   Kind = 8
	KindEOF          Kind = 9
	KindChannelClose Kind = 10
	KindRefused      Kind = 11
	KindEnvironment  Kind = 12
	KindNote         Kind = 13
	KindEnd          Kind = 14

	KindConnection     Kind = 15
	KindConnectionEnd  Kind = 16
	KindAgentSignature Kind = 17
	KindListen         Kind = 18

	KindFile Kind = 20
	KindBulk Kind = 21
)

var kindNames = [...]string{
	KindChannelOpen: "channel-open", KindOutput: "output", KindErrorOutput: "error-output", KindInput: "input",
	KindWindowChange: "window-change", KindSignal: "signal", KindExitStatus: "exit-status",
	KindExitSignal: "exit-signal", KindEOF: "eof", KindChannelClose: "channel-close", KindRefused: "refused",
	KindEnvironment: "environment", KindNote: "note", KindEnd: "end",
	KindConnection: "connection", KindConnectionEnd: "connection-end", KindAgentSignature: "agent-signature", KindListen: "listen",
	KindFile: "file", KindBulk: "bulk",
}

// String is the kind's name, for example "window-change".
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Kind is [KindOutput].
func (Output) Kind() Kind { return KindOutput }

// Kind is [KindErrorOutput].
func (ErrorOutput) Kind() Kind { return KindErrorOutput }

// Kind is [KindInput].
func (Input) Kind() Kind { return KindInput }

// Kind is [KindChannelOpen].
func (ChannelOpen) Kind() Kind { return KindChannelOpen }

// Kind is [KindWindowChange].
func (WindowChange) Kind() Kind { return KindWindowChange }

// Kind is [KindSignal].
func (Signal) Kind() Kind { return KindSignal }

// Kind is [KindExitStatus].
func (ExitStatus) Kind() Kind { return KindExitStatus }

// Kind is [KindExitSignal].
func (ExitSignal) Kind() Kind { return KindExitSignal }

// Kind is [KindEOF].
func (EOF) Kind() Kind { return KindEOF }

// Kind is [KindChannelClose].
func (ChannelClose) Kind() Kind { return KindChannelClose }

// Kind is [KindRefused].
func (Refused) Kind() Kind { return KindRefused }

// Kind is [KindEnvironment].
func (Environment) Kind() Kind { return KindEnvironment }

// Kind is [KindNote].
func (Note) Kind() Kind { return KindNote }

// Kind is [KindEnd].
func (End) Kind() Kind { return KindEnd }
