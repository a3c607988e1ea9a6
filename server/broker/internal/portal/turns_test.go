package portal

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"stint/policies"
	"stint/server/access"
)

// However many calls somebody makes, one is worked on, and few wait; all together are
// bounded too, and nobody is forgotten.
func TestTurns(t *testing.T) {
	t.Parallel()
	all := newTurns()
	person := func(i int) policies.Subject { return policies.Subject{Issuer: "i", Subject: fmt.Sprint(i)} }
	begin := func(i int) func() {
		end, ok := all.begin(t.Context(), person(i))
		if !ok {
			t.Fatalf("person %d has no turn", i)
		}
		return end
	}
	wait := func(i, calls int) {
		for now := -1; now != calls; {
			all.mu.Lock()
			now = 0
			if queue := all.of[person(i)]; queue != nil {
				now = queue.calls
			}
			all.mu.Unlock()
			runtime.Gosched()
		}
	}

	// Of one person: the others wait, and one beyond is refused.
	end := begin(0)
	gone, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range mostWaiting - 1 {
		waiting.Go(func() {
			if _, ok := all.begin(gone, person(0)); ok {
				t.Error("two calls of one person are worked on")
			}
		})
	}
	wait(0, mostWaiting)
	if _, ok := all.begin(t.Context(), person(0)); ok {
		t.Error("any number of calls may wait")
	}
	leave()
	waiting.Wait()

	// Of many people: as many as there are turns, and others have none until one ends.
	ends := []func(){end}
	for i := 1; i < mostTurns; i++ {
		ends = append(ends, begin(i))
	}
	gone, leave = context.WithCancel(t.Context())
	for i := range 20 {
		waiting.Go(func() {
			if _, ok := all.begin(gone, person(mostTurns+i)); ok {
				t.Error("more calls are worked on than there are turns")
			}
		})
	}
	for i := range 20 {
		wait(mostTurns+i, 1)
	}
	leave()
	waiting.Wait()
	ends[0]()
	ends[0] = begin(mostTurns)
	for _, end := range ends {
		end()
	}
	if len(all.of) != 0 {
		t.Errorf("%d people are remembered", len(all.of))
	}
}

// Nobody keeps a turn by sending slowly what is to be worked on.
func TestTurnsWaitForNoSlowSender(t *testing.T) {
	t.Parallel()
	engine := gin.New()
	p := &Portal{turns: newTurns()}
	r := registrar{api: newAPI(engine), problem: p.problem, turns: p.turns, tag: "x", authenticate: func(ctx huma.Context, next func(huma.Context)) {
		next(huma.WithValue(ctx, callerKey, access.SignIn{Person: policies.Person{Subject: policies.Subject{Issuer: "i", Subject: ctx.Header("X-Who")}}}))
	}}
	type text struct{ Body struct{ Text string } }
	arrived := make(chan struct{}, mostTurns)
	operation(r, http.MethodPost, "/api/slow", "slow", "slow", func(context.Context, *text) (*nothing, error) { return &nothing{}, nil }, heavyWork(), func(op *huma.Operation, _ *bool) {
		op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) { arrived <- struct{}{}; next(ctx) })
	})
	operation(r, http.MethodGet, "/api/quick", "quick", "quick", func(context.Context, *noInput) (*nothing, error) { return &nothing{}, nil }, heavyWork())
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	for i := range mostTurns {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "POST /api/slow HTTP/1.1\r\nHost: x\r\nX-Who: %d\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", i)
		<-arrived
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/quick", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Who", "somebody else")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("somebody else is answered with %s", answer.Status)
	}
}
