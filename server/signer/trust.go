package signer

import (
	"context"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// maxPage bounds a page of the ledger, in bytes of its leaves.
const maxPage = 8 << 20

// trust tells what the signer believes. It holds every key that the provider
// ever had, so that what was signed under an old one can still be checked.
func (s *signer) trust(ctx context.Context) (wire.TrustResult, error) {
	var result wire.TrustResult
	var entries int64
	err := s.book.look(false, func(state *state, now time.Time) {
		beliefs := beliefOf(state, now)
		result.Trust, result.PolicyDigest = beliefs.trust, beliefs.digest
		_, issued := state.beliefs.IssuerKeys()
		result.Trust.Issuer.Keys = append([]evidence.IssuerKey{}, issued...) // a list, even where it is empty
		result.Ceremony = s.ceremonyOpen(state)
		entries = state.entries
	})
	if err != nil {
		return wire.TrustResult{}, err
	}
	// Nothing is told that a power cut could still undo.
	if err := s.book.journal.Wait(ctx, entries-1); err != nil {
		return wire.TrustResult{}, err
	}
	checkpoint, _ := s.book.journal.Checkpoint()
	result.Checkpoint = string(checkpoint)
	result.Confirmed = s.book.standing.isConfirmed()
	for _, proxy := range s.config.Proxies {
		result.Proxies = append(result.Proxies, wire.Proxy{Name: proxy.Name, Key: proxy.Key, Labels: proxy.Labels, Reach: proxy.Reach})
	}
	return result, nil
}

// page returns leaves from index from on: at most limit, and fewer where they
// are long. The checkpoint covers all acknowledged leaves, those included that
// are not on the page.
func (s *signer) page(from int64, limit int) (wire.LedgerPage, error) {
	checkpoint, size := s.book.journal.Checkpoint()
	page := wire.LedgerPage{From: from, Entries: []string{}, Checkpoint: string(checkpoint), Cosigned: s.newestCosigned()}
	for index, bytes := from, 0; index < size && len(page.Entries) < limit; index++ {
		leaf, err := s.book.journal.Read(index)
		if err != nil {
			return wire.LedgerPage{}, err
		}
		if bytes += len(leaf); bytes > maxPage && index > from {
			break
		}
		page.Entries = append(page.Entries, string(leaf))
	}
	return page, nil
}
