package cast

// Flush makes everything durable that was written before it was called. Calls
// from several goroutines share one sync.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.syncTo(w.size)
}

// Seal closes the segment now, makes it durable and returns its seal; OnSeal gets
// it as well. Without an event since the last seal it returns that seal again,
// the zero Seal when there was none.
func (w *Writer) Seal() (Seal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.seal(); err != nil {
		return Seal{}, err
	}
	s := w.sealed
	return s, w.syncTo(s.End)
}

// Close writes the end, seals, syncs, waits until OnSeal has had the last seal,
// and stops the Writer's goroutines. Called again it returns what it returned.
func (w *Writer) Close(end End) error {
	w.closing.Do(func() { w.closeError = w.close(end) })
	return w.closeError
}

func (w *Writer) close(end End) error {
	if end.check() != nil {
		end = End{Reason: Failed, Detail: "the proxy gave no valid reason"}
	}
	w.mu.Lock()
	if w.err == nil {
		if w.end(end.fitting()) == nil && w.seal() == nil {
			_ = w.syncTo(w.size) // kept in err, as the others are
		}
	}
	w.closed = true
	w.timer.Stop()
	w.changed.Broadcast()
	for w.syncing { // the stream is the caller's again after this
		w.changed.Wait()
	}
	w.mu.Unlock()
	w.work.Wait()
	return w.Err()
}

// syncTo returns when the first target bytes are durable. Holding mu, which it
// lets go while the system works, so that writing goes on. Who comes meanwhile
// waits, and the next sync serves all of them.
func (w *Writer) syncTo(target int64) error {
	for w.err == nil && w.synced < target {
		if w.syncing {
			w.changed.Wait()
			continue
		}
		w.syncing = true
		covered := w.size
		w.mu.Unlock()
		err := w.o.Sync()
		w.mu.Lock()
		w.syncing = false
		w.changed.Broadcast()
		if err != nil {
			return w.fail(err)
		}
		w.synced = covered
	}
	return w.err
}

// keepSynced bounds the time without a sync and the age of a segment. It comes by while
// something is not synced or a segment is open; a recording to which nothing is added costs
// nothing.
func (w *Writer) keepSynced() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if w.chain.segment != nil && w.o.Now().Sub(w.base)-w.began >= w.o.SegmentTime {
		_ = w.seal() // kept in err
	}
	_ = w.syncTo(w.size)
	if w.armed = w.err == nil && !w.closed && (w.chain.segment != nil || w.synced < w.size); w.armed {
		w.timer.Reset(w.o.SyncEvery)
	}
}

// deliver gives each durable seal to OnSeal, in order, until there is none left or
// nothing more can become durable. It is apart from keepSynced, so that a
// slow ledger delays no sync.
func (w *Writer) deliver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.delivering = false }()
	for len(w.waiting) > 0 {
		s := w.waiting[0]
		if w.synced < s.End {
			// A seal asks for its sync at once; waiting for the ticker would only
			// let more of them gather.
			if w.syncTo(s.End) != nil {
				return
			}
		}
		w.mu.Unlock()
		w.o.OnSeal(s)
		w.mu.Lock()
		w.waiting = w.waiting[1:]
		w.changed.Broadcast()
	}
}
