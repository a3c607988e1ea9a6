package policies

import "strconv"

// checkQuorum fills in the quorum where none is written.
func (l *loader) checkQuorum(d document) {
	written := find(d.node, field("quorum"))
	if written == nil {
		d.organization.Quorum = DefaultQuorum
		return
	}
	// The library would cut 1.5 to 1, and take an empty value for none.
	if n := d.organization.Quorum; n < 1 || n > MostQuorum || written.Value != strconv.Itoa(n) {
		l.at(d, field("quorum"), "`quorum` is how many administrators must sign a change, a whole number from 1 to %d.", MostQuorum)
	}
}
