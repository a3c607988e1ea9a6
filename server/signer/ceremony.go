package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
	if !s.ceremonyOpen() {
		return nil, nil
	}
	people := s.listed()
	if quorum := s.quorum(); administratorsAmong(people) < quorum {
		return nil, fmt.Errorf("the ceremony lists %d administrators, and the policy's quorum is %d: nobody could ever change anything. List more, or lower the quorum", administratorsAmong(people), quorum)
	}
	config := s.config.Ceremony
	return ceremony.New(ceremony.Config{
		Instance: s.config.Instance, RelyingParty: s.config.RelyingParty, Origin: config.Origin, Portal: s.config.Origins[0],
		People: people, LinksFile: s.linksFile(),
		Attested: s.attested, Joined: s.joined, Enrol: s.enrolInCeremony,
		Now: s.book.clock, Log: s.log,
	})
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

// serveCeremony serves the page until everybody has joined or ctx ends.
func (s *signer) serveCeremony(ctx context.Context, open *ceremony.Ceremony) error {
	config := s.config.Ceremony
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: open.Handler(), Protocols: protocols,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listening for the ceremony: %w", err)
	}
	if config.Certificate != "" {
		certificate, err := tls.LoadX509KeyPair(config.Certificate, config.Key)
		if err != nil {
			return errors.Join(fmt.Errorf("loading the ceremony's TLS certificate: %w", err), listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}})
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	s.log.Info("the ceremony is open: the first administrators join at the signer's own page", "origin", config.Origin, "links", s.linksFile())
	select {
	case <-ctx.Done():
	case <-open.Done():
		s.log.Info("everybody has joined, the ceremony is closed")
	case err = <-stopped:
		return fmt.Errorf("serving the ceremony: %w", err)
	}
	// The answer to the last one is still under way.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = server.Shutdown(last)
	if served := <-stopped; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// enrolInCeremony brings a passkey into the roster that the ceremony alone allows.
// Over the wire this authority is refused.
func (s *signer) enrolInCeremony(ctx context.Context, given evidence.EnrolmentEvidence) error {
	_, err := s.enrol(ctx, given)
	if no, ok := errors.AsType[*refusal](err); ok {
		return &no.problem
	}
	return err
}

// Init lets the first administrators join, and ends when all of them have: it
// prints each one's link, and serves the page in the foreground.
func Init(ctx context.Context, config Config, log *slog.Logger, _ func(Ready) error) (err error) {
	if err := config.check(); err != nil {
		return err
	}
	if config.Ceremony == nil {
		return errors.New("the configuration has no ceremony: list the first administrators in it")
	}
	if err := harden(); err != nil {
		return err
	}
	s, err := openSigner(ctx, config, time.Now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	open, err := s.openCeremony()
	if err != nil {
		return err
	}
	if open == nil {
		return errors.New("the ceremony is over: the roster is changed by its administrators from now on")
	}
	for _, link := range open.Waiting() {
		fmt.Fprintf(os.Stdout, "%s joins at %s\n", link.Name, link.URL)
	}
	if err := s.serveCeremony(ctx, open); err != nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "Everybody has joined. Start the signer with `stint-signer run`.")
	return nil
}

var _ error = (*wire.Error)(nil)
