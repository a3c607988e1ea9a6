package store_test

import (
	"strings"
	"testing"

	"stint/server/broker/internal/store"
)

// TestListsAreBackedByIndexes reads SQLite's plans: no list may look at every
// row of its table to find a page.
func TestListsAreBackedByIndexes(t *testing.T) {
	t.Parallel()
	st := openSQLite(t)
	for _, query := range []string{
		"SELECT * FROM requests WHERE requester_issuer = 'a' AND requester_subject = 'b' AND number < 9 ORDER BY number DESC LIMIT 50",
		"SELECT * FROM requests WHERE state IN ('pending') AND number < 9 ORDER BY number DESC LIMIT 50",
		"SELECT * FROM requests WHERE due > 0 AND due <= 7 ORDER BY due LIMIT 10",
		"SELECT * FROM requests WHERE ((requester_issuer = 'a' AND requester_subject = 'b') OR requester_email = 'x') AND state IN ('approved','active') AND (due > 0 AND ends > 5) ORDER BY number",
		"SELECT * FROM requests ORDER BY number DESC LIMIT 50",
		"SELECT * FROM sessions ORDER BY live DESC, number DESC LIMIT 50",
		"SELECT * FROM sessions WHERE (live, number) < (1, 50) ORDER BY live DESC, number DESC LIMIT 50",
		"SELECT * FROM sessions WHERE request = 'x' ORDER BY live DESC, number DESC LIMIT 50",
		"SELECT * FROM sessions WHERE person_issuer = 'x' AND person_subject = 'y' ORDER BY live DESC, number DESC LIMIT 50",
		"SELECT * FROM sessions WHERE target = 'x' ORDER BY live DESC, number DESC LIMIT 50",
		"SELECT * FROM sessions WHERE live AND lease_until < 5 ORDER BY lease_until LIMIT 5",
		"SELECT * FROM sessions WHERE NOT live AND stored = 0 AND removed = 0 AND size > 0 AND bytes >= size AND keep_due <= 5 ORDER BY keep_due LIMIT 5",
		"SELECT * FROM sessions WHERE NOT live AND removed = 0 AND hold = '' AND ended < 5 ORDER BY ended LIMIT 5",
		"SELECT * FROM sessions WHERE removed > 0 AND NOT gone AND keep_due <= 5 ORDER BY keep_due LIMIT 5",
		"SELECT * FROM audit_leaves WHERE request = 'r' AND number < 9 ORDER BY number DESC LIMIT 5",
		"SELECT * FROM audit_leaves WHERE session = 'r' ORDER BY number DESC LIMIT 5",
		"SELECT * FROM audit_leaves WHERE number >= 7 ORDER BY number LIMIT 5",
		"SELECT * FROM endings WHERE next > 0 AND next <= 9 ORDER BY next LIMIT 4",
		"SELECT * FROM certificates WHERE request = 'r' ORDER BY issued, serial",
		"SELECT * FROM certificates WHERE request = 'r' AND NOT withheld ORDER BY issued DESC, length(serial) DESC, serial DESC LIMIT 1",
		"SELECT * FROM requests WHERE state IN ('approved','active') AND (number > 3 AND due > 0 AND ends > 5) ORDER BY number LIMIT 5",
		"SELECT * FROM seals WHERE session = 's' AND sequence >= 4 ORDER BY sequence LIMIT 4",
		"SELECT * FROM enrolments WHERE state IN ('a','b') ORDER BY number DESC LIMIT 5",
		"SELECT * FROM changes WHERE state IN ('a','b') AND number < 9 ORDER BY number DESC LIMIT 5",
		"SELECT * FROM signatures WHERE about = 'a' ORDER BY signed, signer_issuer, signer_subject",
		"SELECT * FROM suspensions WHERE next > 0 AND next <= 9 ORDER BY next LIMIT 5",
		"SELECT * FROM device_blocks WHERE next > 0 AND next <= 9 ORDER BY next LIMIT 5",
		"SELECT * FROM sessions WHERE device = 'd' AND live ORDER BY number",
		"SELECT * FROM delegation_ends WHERE next > 0 AND next <= 9 ORDER BY next LIMIT 5",
		"SELECT delegation FROM delegation_ends WHERE at > 9",
		"SELECT * FROM requests WHERE ((requester_issuer = 'a' AND requester_subject = 'b') OR requester_email = 'x') AND used > 0 AND role IN ('r','s') AND (ends > 5 AND (ended_at = 0 OR ended_at > 5)) ORDER BY used, number",
		"SELECT * FROM requests WHERE open_review AND role = 'r' ORDER BY used, number LIMIT 5",
		"SELECT * FROM requests WHERE open_review ORDER BY used, number LIMIT 5",
		"SELECT * FROM requests WHERE role = 'r' AND number < 9 ORDER BY number DESC LIMIT 5",
		"SELECT * FROM requests WHERE tell > 0 AND tell <= 9 ORDER BY tell LIMIT 5",
		"SELECT used FROM requests WHERE used > 0 AND role = 'r' ORDER BY used DESC LIMIT 1",
		"SELECT * FROM refusals WHERE number < 9 ORDER BY number DESC LIMIT 50",
		"SELECT count(*) FROM refusals WHERE issuer = 'a' AND subject = 'b' AND asked > 9",
		"DELETE FROM refusals WHERE asked <= 9",
		"SELECT * FROM tellings WHERE request = 'r' ORDER BY at, due, kind, stage",
		"SELECT agreements.request, requests.requester_issuer, requests.requester_subject, agreements.at FROM agreements JOIN requests ON requests.id = agreements.request WHERE agreements.issuer = 'a' AND agreements.subject = 'b' AND agreements.at > 9 ORDER BY agreements.at, agreements.request",
		"SELECT * FROM fleet_bindings WHERE device IN (SELECT device FROM sessions WHERE live AND device <> '') AND asked <= 9 ORDER BY asked LIMIT 5",
		"SELECT * FROM fleet_bindings WHERE host = 9",
		"SELECT * FROM sessions WHERE live AND device_due > 0 AND kill_reason = '' AND device_due <= 9 ORDER BY device_due LIMIT 5",
		"SELECT * FROM sessions WHERE live AND kill_reason = '' AND device_policy <> 'p' AND number > 9 ORDER BY number LIMIT 5",
		"SELECT * FROM people WHERE (issuer, subject) > ('a', 'b') ORDER BY issuer, subject LIMIT 5",
		"SELECT * FROM people WHERE subject = 'a' OR email = 'b' ORDER BY issuer, subject LIMIT 5",
		"SELECT * FROM passkeys WHERE owner_issuer = 'a' AND owner_subject = 'b' ORDER BY created, credential",
		"SELECT * FROM mirrored_leaves WHERE log = 1 AND number >= 7 ORDER BY number LIMIT 5",
		"SELECT * FROM mirrored_leaves WHERE log = 1 AND keys AND number >= 7 ORDER BY number",
		"SELECT * FROM mirrored_leaves WHERE log = 1 AND request = 'r' AND request <> '' AND number >= 3 AND number < 7 ORDER BY number LIMIT 5",
		"SELECT * FROM mirrored_hashes WHERE log = 1 AND number IN (1, 2)",
		"SELECT * FROM certificates WHERE issued >= 7 ORDER BY issued, serial LIMIT 5",
		"SELECT * FROM sessions WHERE number >= 7 ORDER BY number LIMIT 5",
		"SELECT * FROM alarms WHERE acknowledged = 0 AND number < 9 ORDER BY number DESC LIMIT 5",
		"SELECT * FROM alarms ORDER BY number DESC LIMIT 5",
	} {
		plan, err := store.Plan(t.Context(), st, query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "USING INDEX") {
				t.Errorf("%s\nlooks at every row: %s", query, step)
			}
		}
		if len(plan) == 0 {
			t.Errorf("%s has no plan", query)
		}
	}
}
