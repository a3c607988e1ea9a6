package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

var purposes = []string{PurposeUserCA, PurposeTargetCA, PurposeHostCA, PurposeToken}

// IsAccepted tells whether verifiers take what the key signed, at a moment: the
// current one, the next, which is published ahead so that it is known by the time it
// signs, and a retired one until what it signed has ended.
func (k SigningKey) IsAccepted(now time.Time) bool {
	return k.State == KeyCurrent || k.State == KeyNext || k.State == KeyRetired && k.Accepted != nil && now.Before(*k.Accepted)
}

// accepted are the keys for a purpose that verifiers take at a moment, the current
// one first.
func accepted(keys []SigningKey, purpose string, now time.Time) []string {
	found := []string{}
	for _, state := range []string{KeyCurrent, KeyNext, KeyRetired} {
		for _, k := range keys {
			if k.Purpose == purpose && k.State == state && k.IsAccepted(now) {
				found = append(found, k.Key)
			}
		}
	}
	return found
}

// checkKeys checks what a Keys entry makes of the keys before it. A new key follows
// another: the one that signs, or is about to, vouches for it.
func checkKeys(before, after []SigningKey, instance string, now time.Time) error {
	// 1. Each is whole, and there are one current and one next of a purpose at most.
	count := map[[2]string]int{}
	for _, k := range after {
		if err := checkKey(k, now); err != nil {
			return err
		}
		if count[[2]string{k.Purpose, k.State}]++; count[[2]string{k.Purpose, k.State}] > 1 && (k.State == KeyCurrent || k.State == KeyNext) {
			return fail("keys-state", "there are two keys for %s that are %s", k.Purpose, k.State)
		}
	}
	// 2. None is gone that still counts.
	for _, k := range before {
		if k.IsAccepted(now) && !slices.ContainsFunc(after, func(l SigningKey) bool { return l.Purpose == k.Purpose && l.Key == k.Key }) {
			return fail("keys-gone", "a %s key for %s is left out", k.State, k.Purpose)
		}
	}
	// 3. Those that were there went a way that there is; new ones have a predecessor.
	for i, k := range after {
		if slices.ContainsFunc(after[:i], func(l SigningKey) bool { return l.Key == k.Key }) {
			return fail("keys-twice", "the key for %s stands twice", k.Purpose)
		}
		j := slices.IndexFunc(before, func(l SigningKey) bool { return l.Key == k.Key })
		var err error
		if j >= 0 {
			err = checkMove(before[j], k)
		} else {
			err = checkSuccession(k, before, instance, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkKey checks a key by itself.
func checkKey(k SigningKey, now time.Time) error {
	if _, err := ParseAuthorityKey(k.Key); err != nil || !slices.Contains(purposes, k.Purpose) {
		return fail("keys-key", "a key of the signer's cannot be read, or is for nothing known")
	}
	current, retired, accepted := k.Current != nil, k.Retired != nil, k.Accepted != nil
	whole := map[string]bool{
		KeyNext:      !current && !retired && !accepted,
		KeyCurrent:   current && !retired && !accepted,
		KeyRetired:   current && retired && accepted,
		KeyWithdrawn: retired && !accepted,
	}[k.State]
	if !whole {
		return fail("keys-state", "a key for %s says that it is %q, and its times say otherwise", k.Purpose, k.State)
	}
	last := k.Made
	for _, at := range []*time.Time{k.Current, k.Retired} {
		if at != nil && (at.Before(last) || at.After(now.Add(policies.Skew))) {
			return fail("keys-times", "the times of a key for %s are not in their order", k.Purpose)
		}
		if at != nil {
			last = *at
		}
	}
	if k.Made.IsZero() || k.Made.After(now.Add(policies.Skew)) {
		return fail("keys-times", "a key for %s was made at no time, or in the future", k.Purpose)
	}
	return nil
}

// checkMove checks what became of a key.
func checkMove(before, after SigningKey) error {
	ways := map[string][]string{
		KeyNext:      {KeyNext, KeyCurrent, KeyWithdrawn},
		KeyCurrent:   {KeyCurrent, KeyRetired, KeyWithdrawn},
		KeyRetired:   {KeyRetired, KeyWithdrawn},
		KeyWithdrawn: {KeyWithdrawn},
	}
	switch {
	case before.Purpose != after.Purpose:
		return fail("keys-purpose", "a key for %s is to be one for %s", before.Purpose, after.Purpose)
	case !slices.Contains(ways[before.State], after.State):
		return fail("keys-state", "a key for %s that was %s cannot be %s", before.Purpose, before.State, after.State)
	case !before.Made.Equal(after.Made), !kept(before.Current, after.Current), !kept(before.Retired, after.Retired),
		after.State == KeyRetired && !kept(before.Accepted, after.Accepted),
		(before.Succession == nil) != (after.Succession == nil), before.Succession != nil && *before.Succession != *after.Succession:
		return fail("keys-times", "the past of a key for %s was altered", before.Purpose)
	}
	return nil
}

// kept tells whether a time that was there is still the same.
func kept(before, after *time.Time) bool {
	return before == nil || after != nil && before.Equal(*after)
}

// checkSuccession checks who vouches for a new key: nobody for the first of its
// purpose, else the key that signed until now, or the one that was to sign next.
func checkSuccession(k SigningKey, before []SigningKey, instance string, now time.Time) error {
	var line []SigningKey
	for _, l := range before {
		if l.Purpose == k.Purpose {
			line = append(line, l)
		}
	}
	if len(line) == 0 && k.Succession == nil {
		return nil
	}
	if k.Succession == nil {
		return fail("succession", "a new key for %s has no predecessor", k.Purpose)
	}
	statement, err := DecodeAs[*Succession](k.Succession.Statement)
	switch {
	case err != nil:
		return fail("succession", "%v", err)
	case statement.Instance != instance:
		return fail("succession-instance", "the succession is for another installation")
	case statement.Purpose != k.Purpose || statement.Key != k.Key:
		return fail("succession-key", "the succession is of another key")
	case statement.Issued.After(now.Add(policies.Skew)):
		return fail("succession-issued", "the succession is dated in the future")
	case !slices.ContainsFunc(line, func(l SigningKey) bool {
		return l.Key == statement.Predecessor && (l.State == KeyCurrent || l.State == KeyNext)
	}):
		return fail("succession-predecessor", "the predecessor was no key for %s that counts", k.Purpose)
	case !VerifySuccession(*k.Succession):
		return fail("succession-signature", "the predecessor did not sign the succession")
	}
	return nil
}

// VerifySuccession tells whether a Succession is signed by the predecessor that it
// names. Whether that is to be believed depends on whether the predecessor is.
func VerifySuccession(s SignedByKey) bool {
	statement, err := DecodeAs[*Succession](s.Statement)
	return err == nil && verifyAuthority(s.Statement, s.Signature, statement.Predecessor)
}
