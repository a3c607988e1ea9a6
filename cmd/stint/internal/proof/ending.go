package proof

import (
	"stint/policies"
	"stint/server/evidence"
)

// Word is somebody's own statement that they ended the request.
type Word struct {
	Person policies.Subject
	// Verified says that it is the requester's, signed by the very key that had asked
	// for a certificate under the request. Whose the keys of others are, the file does
	// not show, and so not whether they signed.
	Verified bool
}

// word is the statement that stands beside an ending; nil where there is none that
// is about it. Whoever it names need not be who the broker named.
func (f *Finding) word(ending *evidence.EndingEntry) *Word {
	if ending.Evidence == nil {
		return nil
	}
	end, err := evidence.DecodeAs[*evidence.End](ending.Evidence.Statement)
	if err != nil || end.Request != ending.Request || end.Change != ending.Reason {
		return nil
	}
	return &Word{end.Person, f.signedByRequester(ending)}
}

func (e *Ending) report(f Finding) *Ended {
	ended := &Ended{Index: e.Index, Time: e.Time.UTC(), Reason: e.Reason, By: e.By, Name: f.name(e.By)}
	if w := e.Word; w != nil {
		ended.Signed = w.Verified && w.Person == e.By
		ended.Statement = &EndStated{w.Person, f.name(w.Person), w.Verified}
	}
	return ended
}

// words say who ended the request, and whose word that is.
func (e *Ended) words() string {
	by := called(e.Name, e.By)
	if e.By == (policies.Subject{}) {
		by = "nobody"
	}
	s := e.Statement
	switch {
	case e.Signed:
		return by + ", whose own key signed that"
	case s == nil:
		return by + " as the broker said"
	case s.Verified:
		return by + " as the broker said, but the key of " + called(s.Name, s.Person) + " signed that they did it themselves"
	case s.Person != e.By:
		return by + " as the broker said; a statement beside it is in the name of " + called(s.Name, s.Person) + ", and it is not shown whose key signed that"
	default:
		return by + " as the broker said; a statement of theirs is beside it, and it is not shown whose key signed that"
	}
}
