package analysis

import "stint/policies"

// places finds where in its files a policy says something.
type places map[string]policies.Document // by kind and name

// placesOf reads the files of a policy once more. One that was not made of files has none.
func placesOf(b *policies.Bundle) places {
	documents, err := policies.ParseDocuments(b.Files(), map[string]func() any{
		"Organization": func() any { return new(policies.Organization) },
		"Role":         func() any { return new(policies.Role) },
		"Target":       func() any { return new(policies.Target) },
		"Separation":   func() any { return new(policies.Separation) },
		"Team":         func() any { return new(policies.Team) },
		"Calendar":     func() any { return new(policies.Calendar) },
	})
	found := places{}
	if err != nil {
		return found
	}
	for _, d := range documents {
		name := ""
		switch value := d.Value.(type) {
		case *policies.Role:
			name = value.Name
		case *policies.Target:
			name = value.Name
		case *policies.Separation:
			name = value.Name
		case *policies.Team:
			name = value.Name
		case *policies.Calendar:
			name = value.Name
		}
		found[d.Kind+" "+name] = d
	}
	return found
}

// of is the file and line of a place in a document, or of the nearest above it; empty and
// zero where there is no such document.
func (p places) of(kind, name string, at ...any) (file string, line int) {
	d, ok := p[kind+" "+name]
	if !ok {
		return "", 0
	}
	fault := d.Fault("", at...)
	return fault.File, fault.Line
}
