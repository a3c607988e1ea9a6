package policies

import (
	"net/netip"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"stint/policies/internal/document"
)

// Bounds of what a role may say.
const (
	longestDuration = 7 * 24 * time.Hour
	shortestWait    = time.Minute
	longestPending  = 31 * 24 * time.Hour
	longestAhead    = 90 * 24 * time.Hour
	longestReview   = 31 * 24 * time.Hour
	shortestIdle    = 10 * time.Second
	longestIdle     = 24 * time.Hour

	// Whoever is asked needs time to find their passkey.
	shortestReauthenticate = 2 * time.Minute
	mostRenewals           = 1000
	mostDays               = 366 // that a rule looks back
	mostWindows            = 20
	mostNetworks           = 100
	mostTicket             = 200 // characters of a pattern
)

// checkRole checks a role by itself, and fills in what it leaves out.
func (l *loader) checkRole(d definition) {
	r := d.role
	l.is(d, field("name"), CheckName(r.Name))
	l.is(d, field("description"), CheckText(r.Description, MostReason))
	l.groups(d, field("requesters"), r.Requesters, "A role names the groups that may ask for it.")
	l.checkSelector(d)
	if len(r.Logins) == 0 {
		l.at(d, field("logins"), "A role names the logins it gives.")
	}
	for i, login := range r.Logins {
		l.is(d, field("logins", i), CheckLogin(login))
	}
	l.distinct(d, field("logins"), r.Logins)
	l.checkTimes(d)
	l.word(d, field("reason"), r.Reason, "required", "optional")
	l.checkTicket(d)
	l.checkPasskey(d)
	l.checkDevice(d)
	l.checkSession(d)
	l.checkRecording(d)
	l.checkRules(d)
	l.checkStages(d)
	l.checkBreakGlass(d)
}

// checkTimes checks how long, from when, until when and how often a role is had.
func (l *loader) checkTimes(d definition) {
	r := d.role
	if r.Duration.Default <= 0 || r.Duration.Longest < r.Duration.Default {
		l.at(d, field("duration"), "`default` is more than nothing and `longest` is no shorter than it.")
	}
	if r.Duration.Longest > longestDuration {
		l.at(d, field("duration", "longest"), "A grant lasts %s at most.", FormatDuration(longestDuration))
	}
	if l.written(d, field("start", "at")) {
		l.word(d, field("start", "at"), r.Start.At, AtApproval, AtFirstUse)
	} else {
		r.Start.At = AtApproval
	}
	switch within := l.written(d, field("start", "within")); {
	case r.Start.At == AtFirstUse && !within:
		r.Start.Within = DefaultWithin
	case r.Start.At == AtApproval && within:
		l.at(d, field("start", "within"), "`within` bounds the wait for the first use; it goes with `at: first-use`.")
	}
	l.lasts(d, field("start", "within"), r.Start.Within, shortestWait, longestDuration)
	l.lasts(d, field("start", "ahead"), r.Start.Ahead, shortestWait, longestAhead)
	if !l.written(d, field("pending")) {
		r.Pending = DefaultPending
	}
	l.lasts(d, field("pending"), r.Pending, shortestWait, longestPending)
	if r.Renewals != nil && (r.Renewals.Most < 1 || r.Renewals.Most > mostRenewals || r.Renewals.Days < 1 || r.Renewals.Days > mostDays) {
		l.at(d, field("renewals"), "`renewals` says how often at `most`, from 1 to %d times, in how many `days`, from 1 to %d.", mostRenewals, mostDays)
	}
	bound(l, d, field("windows"), r.Windows, mostWindows)
	l.distinct(d, field("windows"), r.Windows)
}

func (l *loader) checkTicket(d definition) {
	t := d.role.Ticket
	if t == nil {
		return
	}
	at := field("ticket", "pattern")
	if !t.Required && t.Pattern == "" {
		l.at(d, field("ticket"), "`ticket` says `required: true` or what a ticket looks like, or is left out.")
	}
	if n := utf8.RuneCountInString(t.Pattern); n > mostTicket {
		l.at(d, at, "A pattern has at most %d characters.", mostTicket)
		return
	}
	l.is(d, at, CheckText(t.Pattern, mostTicket))
	if _, err := regexp.Compile(t.Pattern); err != nil {
		l.at(d, at, "This is no regular expression (RE2): %v.", err)
	}
}

func (l *loader) checkPasskey(d definition) {
	p := d.role.Passkey
	if l.written(d, field("passkey", "approvers")) {
		l.word(d, field("passkey", "approvers"), p.Approvers, PasskeyAny, PasskeyAttested)
	}
	if l.written(d, field("passkey", "requester")) {
		l.word(d, field("passkey", "requester"), p.Requester, PasskeyAny, PasskeyAttested)
	} else if l.written(d, field("passkey", "fresh")) {
		l.at(d, field("passkey", "fresh"), "`fresh` is how old the requester's confirmation may be; say of which strength it is as `requester`.")
	}
	l.lasts(d, field("passkey", "fresh"), p.Fresh, shortestWait, longestDuration)
}

func (l *loader) checkSession(d definition) {
	s := d.role.Session
	l.lasts(d, field("session", "idle"), s.Idle, shortestIdle, longestIdle)
	l.lasts(d, field("session", "reauthenticate"), s.Reauthenticate, shortestReauthenticate, longestIdle)
	l.words(d, field("session", "channels"), s.Channels, channelKinds...)
	if s.Channels != nil && len(s.Channels) == 0 {
		l.at(d, field("session", "channels"), "A session without any channel is of no use; leave `channels` out to allow all but agent and x11.")
	}
	bound(l, d, field("session", "networks"), s.Networks, mostNetworks)
	for i, text := range s.Networks {
		network, err := netip.ParsePrefix(text)
		if network = network.Masked(); err != nil || network.Addr().Is4In6() {
			l.at(d, field("session", "networks", i), "%q is no network: write it as 10.20.0.0/16 or 2001:db8::/32.", shown(text))
		} else if network.String() != text {
			l.at(d, field("session", "networks", i), "%q is written as %s.", text, network)
		}
	}
	l.distinct(d, field("session", "networks"), s.Networks)
	if s.Networks != nil && len(s.Networks) == 0 {
		l.at(d, field("session", "networks"), "No network at all would let nobody in; leave `networks` out to allow all.")
	}
}

func (l *loader) checkBreakGlass(d definition) {
	b := d.role.BreakGlass
	if b == nil {
		return
	}
	l.groups(d, field("breakGlass", "requesters"), b.Requesters, "`breakGlass` names the groups of those who may act alone.")
	if b.Longest <= 0 || b.Longest > d.role.Duration.Longest {
		l.at(d, field("breakGlass", "longest"), "`longest` of an emergency is more than nothing and no longer than that of the role.")
	}
	l.groups(d, field("breakGlass", "review", "groups"), b.Review.Groups, "`review` names the groups whose members close it.")
	if b.Review.Within < shortestWait || b.Review.Within > longestReview {
		l.at(d, field("breakGlass", "review", "within"), "`within` is when the review must be closed, from %s to %s.", FormatDuration(shortestWait), FormatDuration(longestReview))
	}
}

// checkRoleAmong checks what a role says of the rest of the policy.
func (l *loader) checkRoleAmong(d definition) {
	r, o := d.role, l.bundle.organization
	l.checkSelectsOwn(d)
	for i, name := range r.Windows {
		if !l.defines("Calendar " + name) {
			l.at(d, field("windows", i), "There is no calendar %q.%s", shown(name), document.DidYouMean(name, l.names("Calendar")))
		}
	}
	var facts []string
	for _, f := range o.Facts {
		facts = append(facts, f.Name)
	}
	for i, name := range r.Trust {
		if !slices.Contains(facts, name) {
			l.at(d, field("trust", i), "There is no fact %q among `facts` of the Organization.%s", shown(name), document.DidYouMean(name, facts))
		}
	}
	l.checkManagers(d)
	l.checkHeldCanBeMet(d)
	if len(o.Attestation.Authenticators) > 0 {
		return
	}
	for _, one := range []struct {
		at     []any
		demand bool
	}{
		{field("passkey", "approvers"), r.Passkey.Approvers == PasskeyAttested},
		{field("passkey", "requester"), r.Passkey.Requester == PasskeyAttested},
		// Whoever breaks the glass confirms with an attested passkey.
		{field("breakGlass"), r.BreakGlass != nil},
	} {
		if one.demand {
			l.at(d, one.at, "No make of authenticator is listed, so nobody's passkey could be attested; list some under `attestation` of the Organization.")
		}
	}
}
