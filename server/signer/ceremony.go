package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/internal/ceremony"
	"stint/server/signer/wire"
)

// openCeremony opens the page for those listed people who have not joined yet. It
// returns nil where there is nothing to open: nobody is listed, everybody has
// joined, or the roster has been used, after which it is changed by those who are
// in it and by nobody else.
func (s *signer) openCeremony() (*ceremony.Ceremony, error) {
	var isOpen bool
	s.book.view(func(state *state) { isOpen = s.ceremonyOpen(state) })
	if !isOpen {
		return nil, nil
	}
	people := s.listed()
	if quorum := s.quorum(); len(people) < quorum {
		return nil, fmt.Errorf("the ceremony lists %d administrators, and the policy's quorum is %d: nobody could ever change anything; list more", len(people), quorum)
	}
	config := s.config.Ceremony
	return ceremony.New(ceremony.Config{
		Instance: s.config.Instance, RelyingParty: s.config.RelyingParty, Origin: config.Origin, Portal: s.config.Origins[0],
		People: people, LinksFile: s.linksFile(),
		Attested: s.attested, Joined: s.joined, Enrol: s.enrolInCeremony,
		Refused: func(call string, problem wire.Error) bool { return s.refusals.add("ceremony", call, problem) },
		Now:     s.book.clock, Log: s.log,
	})
}

// ceremonyOpen says whether first administrators are still to join: somebody is
// listed who has not, and the ledger does not say that it is over. The caller holds
// the book's mutex.
func (s *signer) ceremonyOpen(state *state) bool {
	if s.config.Ceremony == nil {
		return false
	}
	enrolled, over := state.beliefs.Ceremony()
	return !over && slices.ContainsFunc(s.config.Ceremony.Administrators, func(p policies.Person) bool {
		return !slices.Contains(enrolled, p.Subject)
	})
}

// keepForCeremony refuses to take anything, without anybody's signature, from those who
// join in the open ceremony, under whichever identity: as long as there is no quorum,
// nobody could ever give it back. The caller holds the book's mutex.
func (s *signer) keepForCeremony(state *state, person policies.Person, now time.Time) error {
	if !s.ceremonyOpen(state) {
		return nil
	}
	policy, known := state.beliefs.Policy(now), state.beliefs.Roster().Known(now)
	for _, listed := range s.config.Ceremony.Administrators {
		if listed.Subject == person.Subject || policy != nil && policy.Linked(listed, person, known) {
			return refuse(http.StatusConflict, "ceremony",
				"The first administrators are still joining, and nothing is taken from them meanwhile. If one of their links was stolen, begin the signer anew.")
		}
	}
	return nil
}

// linksFile is where the ceremony's links are, for whoever runs the signer.
func (s *signer) linksFile() string { return filepath.Join(s.config.Data, "ceremony.json") }

// listed are the people of the configuration, all of them administrators.
func (s *signer) listed() (people []policies.Person) {
	for _, person := range s.config.Ceremony.Administrators {
		people = append(people, asAdministrator(person))
	}
	return people
}

func asAdministrator(person policies.Person) policies.Person {
	person.Groups = append(slices.Clone(person.Groups), policies.AdministratorsGroup)
	slices.Sort(person.Groups)
	person.Groups = slices.Compact(person.Groups)
	return person
}

// lastToJoin says whether everybody else who is listed has joined. Then the ledger
// says that the ceremony is over, so that a list that is made longer later opens
// nothing.
func (s *signer) lastToJoin(person policies.Subject) (last bool) {
	s.book.view(func(state *state) {
		enrolled, _ := state.beliefs.Ceremony()
		last = !slices.ContainsFunc(s.config.Ceremony.Administrators, func(p policies.Person) bool {
			return p.Subject != person && !slices.Contains(enrolled, p.Subject)
		})
	})
	return last
}

// listenCeremony opens the page's address.
func (s *signer) listenCeremony(ctx context.Context) (net.Listener, error) {
	config := s.config.Ceremony
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for the ceremony: %w", err)
	}
	if config.Certificate == "" {
		return listener, nil
	}
	certificate, err := tls.LoadX509KeyPair(config.Certificate, config.Key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("loading the ceremony's TLS certificate: %w", err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}}), nil
}

// serveCeremony serves the page until everybody has joined or ctx ends.
func (s *signer) serveCeremony(ctx context.Context, open *ceremony.Ceremony, listener net.Listener) (err error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: open.Handler(), Protocols: protocols,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	s.log.Info("the ceremony is open: the first administrators join at the signer's own page", "origin", s.config.Ceremony.Origin, "links", s.linksFile())
	select {
	case <-ctx.Done():
	case <-open.Done():
		s.log.Info("everybody has joined, the ceremony is closed")
	case err := <-stopped:
		return fmt.Errorf("serving the ceremony: %w", err)
	}
	// The answer to the last one is still under way.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if shutdownErr := server.Shutdown(last); shutdownErr != nil {
		s.log.Warn("calls of the ceremony that were under way are cut off", "error", shutdownErr)
		err = server.Close()
	}
	if served := <-stopped; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// enrolInCeremony brings a passkey into the roster by the ceremony's authority: the
// page has seen the link, and made the statement itself.
func (s *signer) enrolInCeremony(ctx context.Context, given evidence.EnrolmentEvidence) error {
	_, err := s.settleChange(ctx, "ceremony", given.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyCeremony(given, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		entry := verified.Entry()
		entry.Last = s.lastToJoin(verified.Enrolment().Person)
		return evidence.Entry{Enrolment: entry}, nil
	})
	if no, ok := errors.AsType[*refusal](err); ok {
		return errors.Join(&no.problem, no.cause)
	}
	return err
}

// Init lets the first administrators join, and ends when all of them have: it
// prints each one's link, and serves the page in the foreground.
func Init(ctx context.Context, config Config, log *slog.Logger, _ func(Ready) error) error {
	if err := config.check(); err != nil {
		return err
	}
	if err := guardMemory(log); err != nil {
		return err
	}
	return initialise(ctx, config, log, os.Stdout)
}

func initialise(ctx context.Context, config Config, log *slog.Logger, out io.Writer) (err error) {
	s, err := openSigner(ctx, config, time.Now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	open, err := s.openCeremony()
	switch {
	case err != nil:
		return err
	case open == nil && config.Ceremony == nil:
		return errors.New("the configuration has no ceremony: list the first administrators in it")
	case open == nil:
		return errors.New("the ceremony is over: the roster is changed by its administrators from now on")
	case !s.book.standing.isConfirmed():
		return errors.New("the ceremony was begun before, and only the broker or a witness can confirm that nothing was lost since: go on with it by `stint-signer run`, with the broker running")
	}
	listener, err := s.listenCeremony(ctx)
	if err != nil {
		return err
	}
	for _, link := range open.Waiting() {
		fmt.Fprintf(out, "%s joins at %s\n", link.Name, link.URL)
	}
	if err := s.serveCeremony(ctx, open, listener); err != nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintln(out, "Everybody has joined. Start the signer with `stint-signer run`.")
	return nil
}
