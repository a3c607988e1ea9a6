package condition_test

import (
	"testing"

	"stint/policies/internal/condition"
)

const ordinary = `"sre" in requester.groups && target.labels["env"] == "prod" && ask.duration <= duration("4h")`

func BenchmarkHolds(b *testing.B) {
	c, in := compile(b, ordinary), facts()
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := c.Holds(&in); !holds || err != nil {
			b.Fatal(holds, err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	e := environment(b, declared...)
	b.ReportAllocs()
	for b.Loop() {
		if _, fault := e.Compile(ordinary); fault != nil {
			b.Fatal(fault)
		}
	}
}

func BenchmarkNewEnvironment(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := condition.NewEnvironment(declared); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCould(b *testing.B) {
	c, in := compile(b, ordinary), facts()
	b.ReportAllocs()
	for b.Loop() {
		c.Could(in)
	}
}
