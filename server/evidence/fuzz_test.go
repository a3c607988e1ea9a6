package evidence_test

import (
	"testing"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// FuzzVerifyAssertion: whatever stands in the place of a part of an assertion
// that holds, it is refused with a *Failure, and nothing breaks.
func FuzzVerifyAssertion(f *testing.F) {
	w := evidencetest.NewWorld(f)
	statement := w.RequestText(f)
	good := w.Bob.Passkey.Sign(f, statement)
	pinned := w.Pinned(w.Bob.Passkey, nil)
	if err := evidence.VerifyAssertion(good, statement, pinned, w.Trust); err != nil {
		f.Fatal(err)
	}
	f.Add(0, `{"type":"webauthn.get","challenge":"AA","origin":"http://localhost:8420","crossOrigin":false}`)
	f.Add(0, `{"type":"webauthn.get","type":"webauthn.get"}`)
	f.Add(0, `{"a":{"b":[1,2,{}]},"c":1e400}{`)
	f.Add(1, "\x49\x96\x0d\xe5\x88\x0e\x8c\x68\x74\x34\x17\x0f\x64\x76\x60\x5b\x8f\xe4\xae\xb9\xa2\x86\x32\xc7\x99\x5c\xf3\xba\x83\x1d\x97\x63\x05\x00\x00\x00\x00")
	f.Add(2, "\x30\x06\x02\x01\x01\x02\x01\x01")
	f.Add(3, "\xa5\x01\x02\x03\x26\x20\x01\x21\x41\x00\x22\x41\x00")
	f.Add(3, "\xa4\x01\x03\x03\x39\x01\x00\x20\x41\x00\x21\x43\x01\x00\x01")
	f.Add(3, "\xa4\x01\x01\x03\x27\x20\x06\x21\x41\x00")
	f.Fuzz(func(t *testing.T, part int, data string) {
		altered, key := good, pinned
		switch text := encode([]byte(data)); part {
		case 0:
			altered.ClientData = text
		case 1:
			altered.AuthenticatorData = text
		case 2:
			altered.Signature = text
		case 3:
			key.PublicKey = text
		default:
			return
		}
		if altered == good && key.PublicKey == pinned.PublicKey {
			return
		}
		err := evidence.VerifyAssertion(altered, statement, key, w.Trust)
		if _, refused := err.(*evidence.Failure); !refused {
			t.Errorf("part %d as %q: %v", part, data, err)
		}
	})
}
