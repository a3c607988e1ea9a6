package journal

import (
	"fmt"

	"stint/server/ledger"
)

// Continue returns the unsigned checkpoint over the first size leaves, for which
// Wait has returned, and the proof that they continue the first from leaves.
func (j *Journal) Continue(from, size int64) (ledger.Checkpoint, ledger.Consistency, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if from < 0 || from > size || size > j.durable {
		return ledger.Checkpoint{}, ledger.Consistency{}, fmt.Errorf("the ledger holds %d acknowledged entries; no proof goes from %d to %d", j.durable, from, size)
	}
	root, err := ledger.Root(size, ledger.HashReaderFunc(j.readHashes))
	if err != nil {
		return ledger.Checkpoint{}, ledger.Consistency{}, err
	}
	proof, err := ledger.ProveConsistency(from, size, ledger.HashReaderFunc(j.readHashes))
	return ledger.Checkpoint{Origin: j.log.Origin, Size: size, Root: root}, proof, err
}
