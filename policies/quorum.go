package policies

// checkQuorum fills in the quorum where none is written.
func (l *loader) checkQuorum(d definition) {
	if !l.written(d, field("quorum")) {
		d.organization.Quorum = DefaultQuorum
		return
	}
	if n := d.organization.Quorum; n < 1 || n > MostQuorum {
		l.at(d, field("quorum"), "`quorum` is how many administrators must sign a change, from 1 to %d.", MostQuorum)
	}
}
