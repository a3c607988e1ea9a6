package cast

import "fmt"

// Remark says in words what happened, for all events but those that carry bytes. It
// is one line and inert.
func Remark(b Body) string {
	return oneLine(words(b))
}

func words(b Body) string {
	switch b := b.(type) {
	case ChannelOpen:
		text := "opened: " + string(b.Type)
		if b.Command != "" {
			text += " " + b.Command
		}
		if b.Terminal != "" {
			text += fmt.Sprintf(", terminal %s, %dx%d", b.Terminal, b.Size.Columns, b.Size.Rows)
		}
		return text
	case WindowChange:
		return fmt.Sprintf("window is %dx%d", b.Columns, b.Rows)
	case Signal:
		return "the client sent signal " + string(b)
	case ExitStatus:
		return fmt.Sprintf("ended with status %d", uint32(b))
	case ExitSignal:
		text := "ended by signal " + b.Signal
		if b.CoreDumped {
			text += " (core dumped)"
		}
		if b.Message != "" {
			text += ": " + b.Message
		}
		return text
	case EOF:
		if b.Input {
			return "the client sends no more"
		}
		return "the target sends no more"
	case ChannelClose:
		return "closed"
	case Refused:
		return "refused: " + b.What + ": " + b.Why
	case Environment:
		return "environment: " + b.Name + "=" + b.Value
	case Note:
		return "note: " + string(b)
	case End:
		if b.Detail != "" {
			return "the session ended: " + string(b.Reason) + ": " + b.Detail
		}
		return "the session ended: " + string(b.Reason)
	case Connection:
		return b.words()
	case ConnectionEnd:
		text := fmt.Sprintf("connection closed: %d bytes from the client, %d from the target", b.FromClient, b.FromTarget)
		if b.Why != "" {
			text += ": " + b.Why
		}
		return text
	case Listen:
		text := string(b.Type) + " " + string(b.State)
		if b.Address != "" {
			text += ": " + b.Address
		}
		return text
	case AgentSignature:
		return b.words()
	case FileOperation:
		return fileWords(b)
	case Bulk:
		return bulkWords(b)
	}
	return b.Kind().String()
}

func (c Connection) words() string {
	text := string(c.Type) + " connection"
	if c.To != "" {
		text += " to " + c.To
	}
	if c.From != "" {
		text += " from " + c.From
	}
	return text
}

func (a AgentSignature) words() string {
	text := "signature by the agent's key " + a.Key + " " + string(a.State)
	switch a.Purpose {
	case SignAuthentication:
		text += ": to log in as " + a.Name
		if a.Host != "" {
			text += " at the host whose key is " + a.Host
		}
		text += ", in the SSH connection " + a.Session
	case SignMessage:
		text += ": of a message in the namespace " + a.Name
	default:
		text += ": of bytes of unknown meaning, SHA-256 " + a.Digest
	}
	return text
}
