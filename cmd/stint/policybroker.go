package main

import (
	"context"
	"encoding/json"
	"fmt"

	"stint/policies"
	"stint/policies/analysis"
)

// brokerPopulation is everybody whom the broker knows.
func brokerPopulation(ctx context.Context, e *environment) (*analysis.Population, error) {
	_, client, err := signedIn(e)
	if err != nil {
		return nil, err
	}
	answer, err := client.PolicyPeople(ctx)
	if err != nil {
		return nil, err
	}
	var people []analysis.Person
	for _, p := range answer.People {
		person := analysis.Person{Person: policies.Person{Subject: policies.Subject{Issuer: p.Issuer, Subject: p.Subject}, Name: p.Name, Email: p.Email, Groups: p.Groups}}
		for _, k := range p.Passkeys {
			person.Passkeys = append(person.Passkeys, analysis.Passkey{Groups: k.Groups, Attested: k.Attested})
			person.Roster = append(person.Roster, k.Groups...)
		}
		people = append(people, person)
	}
	var delegations []analysis.Delegation
	for _, d := range answer.Delegations {
		delegations = append(delegations, analysis.Delegation{From: policies.Subject(d.From), To: policies.Subject(d.To), Groups: d.Groups})
	}
	return analysis.NewPopulation(people, delegations), nil
}

// brokerHistory is what the broker recorded, as many pages as there are.
func brokerHistory(ctx context.Context, e *environment) ([]analysis.Recorded, string, error) {
	_, client, err := signedIn(e)
	if err != nil {
		return nil, "", err
	}
	var history []analysis.Recorded
	for cursor := ""; ; {
		page, err := client.PolicyHistory(ctx, 0, cursor)
		if err != nil {
			return nil, "", err
		}
		for _, item := range page.Items {
			recorded := analysis.Recorded{Request: item.Request, Outcome: policies.Outcome(item.Outcome)}
			if err := json.Unmarshal(item.Facts, &recorded.Facts); err != nil {
				return nil, "", fmt.Errorf("the broker recorded facts of %s that this version cannot read: %w", plain(item.Request), err)
			}
			history = append(history, recorded)
		}
		if cursor = page.Cursor; cursor == "" || len(history) >= mostRecorded {
			return history, page.Note, nil
		}
	}
}
