package policies

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Where the private half of a device's key is. HeldTPM is proven when the device is
// enrolled; everything else counts as a file.
const (
	HeldTPM  = "tpm"
	HeldFile = "file"
)

// TPMMaker is a maker of TPMs whose word the organization takes: that an endorsement
// key with a certificate of its is in a TPM.
type TPMMaker struct {
	Name string `yaml:"name" json:"name"`
	// Roots are what its endorsement certificates lead to, each one certificate in
	// PEM. An authority under a root may stand here instead of the root.
	Roots []string `yaml:"roots" json:"roots"`
}

const mostTPMMakers = 64

// RootDigest names a certificate: "sha256:" and 64 hex digits over its DER.
func RootDigest(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Certificates are the roots, read.
func (m TPMMaker) Certificates() ([]*x509.Certificate, error) {
	return Authenticator{Roots: m.Roots}.Certificates()
}

// TPMMaker finds the maker of TPMs that has a root of this digest (see RootDigest).
func (b *Bundle) TPMMaker(root string) (name string, ok bool) {
	i := slices.IndexFunc(b.organization.TPMMakers, func(m TPMMaker) bool {
		return slices.ContainsFunc(m.Roots, func(text string) bool { return root == "sha256:"+rootPrint(text) })
	})
	if i < 0 {
		return "", false
	}
	return b.organization.TPMMakers[i].Name, true
}

// checkTPMMakers checks what is said of makers of TPMs.
func (l *loader) checkTPMMakers(d definition) {
	makers := d.organization.TPMMakers
	if len(makers) > mostTPMMakers {
		l.at(d, field("tpmMakers"), "There are at most %d makers of TPMs.", mostTPMMakers)
		return
	}
	names, roots := []string{}, map[string]bool{}
	for i, maker := range makers {
		if strings.TrimSpace(maker.Name) == "" {
			l.at(d, field("tpmMakers", i, "name"), "A maker of TPMs has a name, for people.")
		}
		l.is(d, field("tpmMakers", i, "name"), CheckText(maker.Name, MostName))
		names = append(names, maker.Name)
		if len(maker.Roots) == 0 || len(maker.Roots) > mostRoots {
			l.at(d, field("tpmMakers", i, "roots"), "A maker of TPMs has 1 to %d root certificates.", mostRoots)
			continue
		}
		for k, text := range maker.Roots {
			root, err := parseRoot(text)
			if err != nil {
				l.is(d, field("tpmMakers", i, "roots", k), err)
				continue
			}
			switch digest := RootDigest(root); {
			case !root.IsCA:
				l.at(d, field("tpmMakers", i, "roots", k), "The certificate is no authority's: it cannot certify TPMs.")
			case roots[digest]:
				l.at(d, field("tpmMakers", i, "roots", k), "The certificate stands twice.")
			default:
				roots[digest] = true
			}
		}
	}
	l.distinct(d, field("tpmMakers"), names)
}

// checkHeld checks what a role demands of the place of a device's key.
func (l *loader) checkHeld(d definition) {
	if l.written(d, field("device", "held")) && d.role.Device.Held != HeldTPM {
		l.at(d, field("device", "held"), "`held` is %s, or is left out.", HeldTPM)
	}
}

// checkHeldCanBeMet refuses a role that nobody could ever use.
func (l *loader) checkHeldCanBeMet(d definition) {
	if d.role.Device.Held == HeldTPM && len(l.bundle.organization.TPMMakers) == 0 {
		l.at(d, field("device", "held"), "No maker of TPMs is believed, so nobody could use this role; list some as `tpmMakers` of the Organization.")
	}
}

// judgeHeld asks whether the key of a machine is where the rule demands; nil where it
// demands nothing.
func (b *Bundle) judgeHeld(rule DeviceRule, role string, device Device) []Reason {
	if rule.Held != HeldTPM {
		return nil
	}
	reason := Reason{Rule: "held"}
	maker, listed := b.TPMMaker(device.MakerRoot)
	switch {
	case device.Held != HeldTPM:
		reason.Text = fmt.Sprintf("%s is used with a key that is held in a TPM, and this machine's is in a file; make another with `stint device enroll --replace`.", role)
	case device.MakerRoot == "":
		reason.Text = fmt.Sprintf("%s is used with a key in a TPM of a maker that the policy lists, and none had certified this machine's when it was enrolled; "+
			"if one is listed by now that has, use `stint device enroll --replace`.", role)
	case !listed:
		reason.Text = fmt.Sprintf("%s is used with a key in a TPM of a maker that the policy lists, and this machine's is of one that it lists no longer; speak with an administrator.", role)
	default:
		reason.Met, reason.Text = true, fmt.Sprintf("The key of %s is held in a TPM that %s certified.", device.Name, maker)
	}
	return []Reason{reason}
}

// tpmMakers tells how the list of makers of TPMs differs.
func (d *differ) tpmMakers(before, after []TPMMaker) {
	name := func(m TPMMaker) string { return m.Name }
	had, has := byName(before, name), byName(after, name)
	for _, id := range union(had, has) {
		_, was := had[id]
		_, is := has[id]
		switch {
		case !is:
			d.say("The maker of TPMs %s is no longer believed.", id)
		case !was:
			d.say("The maker of TPMs %s is believed.", id)
		}
		if is {
			d.members(prints(had[id].Roots), prints(has[id].Roots),
				"The maker of TPMs %s has the root certificate %s.", "The maker of TPMs %s no longer has the root certificate %s.", id)
		}
	}
}

// held tells how the demand about a key's place differs.
func (d *differ) held(name, old, now string) {
	if old != now {
		d.say(map[bool]string{
			true: "%s: the machine's key is held in a TPM of a known maker.", false: "%s: the machine's key may be held in a file.",
		}[now == HeldTPM], name)
	}
}
