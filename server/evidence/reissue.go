package evidence

import (
	"reflect"
	"slices"
	"time"
)

// Reissue is a certificate that is to be issued once more, since the key that had
// signed it was withdrawn: the session key, the principal and the end stay, and
// nobody is asked again.
type Reissue struct {
	Earlier   SessionEntry // of the certificate that counts no longer
	Origin    SessionEntry // Earlier, or the one that it leads back to: it has the bundle
	Authority string       // the user CA's key that had signed Earlier
}

// VerifyReissue checks that a certificate may be issued once more in circumstances that
// are its own: what the broker asserted is the earlier one's. Whatever would refuse its session key now
// refuses it here too, but for the ages of the sign-in, the activation and what a
// device said, which were right when the first one was issued. It gives what such a
// new activation would prove. A refusal is a *Failure.
//
// What only a ledger knows is not asked here: whether the request was ended or a later
// revision took its place, and whether it was issued once more already.
func (b Beliefs) VerifyReissue(r Reissue, c Circumstances) (Verified, error) {
	// 1. The certificate counts no longer, because of its key alone. A key that was
	// withdrawn long ago may be listed no more.
	signs := func(k SigningKey) bool {
		return k.Purpose == PurposeUserCA && k.Key == r.Authority && k.IsAccepted(c.Now)
	}
	if r.Authority == "" || slices.ContainsFunc(b.keys, signs) {
		return Verified{}, fail("reissue-key", "the key that signed the certificate %d is not withdrawn", r.Earlier.Serial)
	}
	// 2. All else about it stands.
	return b.VerifyStanding(r, c)
}

// VerifyStanding is VerifyReissue for a certificate whose key may still count.
func (b Beliefs) VerifyStanding(r Reissue, c Circumstances) (Verified, error) {
	// 1. It is not over.
	if !c.Now.Before(r.Earlier.Ends.Truncate(time.Second)) {
		return Verified{}, fail("reissue-over", "the time of this grant is over; ask again")
	}
	// 2. It would be given today.
	verified, err := b.VerifyAnew(r.Origin, c)
	if err != nil {
		return Verified{}, err
	}
	// 3. And it would be the same.
	e := r.Earlier
	if verified.Request().Request != e.Request || verified.Requester().Subject != e.Requester || verified.Request().Ask.Role != e.Role ||
		verified.Request().Ask.BreakGlass != e.BreakGlass || !slices.Equal(verified.Role().Session.Networks, e.Networks) ||
		verified.Principal() != e.Principal || verified.SessionKey() != e.SessionKey || !verified.Ends().Equal(e.Ends) {
		return Verified{}, fail("reissue-same", "policy would give this grant otherwise by now; activate it anew")
	}
	return verified, nil
}

// Again is the entry of a certificate that VerifyReissue found may be issued once
// more, in the circumstances that it was given.
func (r Reissue) Again(serial uint64, verified Verified, c Circumstances) SessionEntry {
	e := r.Earlier
	e.Bundle, e.Circumstances, e.PolicyDigest = Bundle{}, c, verified.Decision().Digest
	e.Serial, e.Reissues = serial, r.Earlier.Serial
	return e
}

// CheckReissue checks an entry of a certificate that was issued once more: that
// VerifyReissue allows it, and that the entry is the one of Reissue.Again.
func (b Beliefs) CheckReissue(again SessionEntry, r Reissue) (Verified, error) {
	verified, err := b.VerifyReissue(r, again.Circumstances)
	if err != nil {
		return Verified{}, err
	}
	if !reflect.DeepEqual(again, r.Again(again.Serial, verified, again.Circumstances)) {
		return Verified{}, fail("reissue", "the certificate is not the one that it takes the place of: something besides serial, key and time differs")
	}
	return verified, nil
}
