package portal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
)

func TestAnAbandonedRequestIsNoFailure(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for name, c := range map[string]struct {
		ctx    context.Context
		err    error
		status int
		logged bool
	}{
		"the caller left":                {gone, fmt.Errorf("reading: %w", context.Canceled), 499, false},
		"the caller left, and it failed": {gone, errors.New("the disk is gone"), 500, true},
		"cancelled by ourselves":         {t.Context(), context.Canceled, 500, true},
	} {
		var log bytes.Buffer
		p := &Portal{log: slog.New(slog.NewTextHandler(&log, nil))}
		if problem := p.problem(c.ctx, c.err); problem.Status != c.status || (log.Len() > 0) != c.logged {
			t.Errorf("%s: status %d, logged %q", name, problem.Status, log.String())
		}
	}
}
