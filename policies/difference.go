package policies

// Bounds of Difference.
const (
	MostDifferences = 64  // sentences
	MostDifference  = 300 // characters of one
)

// Difference says in words what a new policy changes: at most MostDifferences
// sentences of at most MostDifference characters, the last of which counts what
// did not fit. Equal bundles give equal sentences in equal order, since
// administrators sign them. Two bundles that mean the same have none.
func Difference(before, after *Bundle) []string {
	return nil
}
