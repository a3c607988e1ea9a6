package policies

import (
	"fmt"
	"maps"
	"slices"

	"stint/policies/internal/document"
)

// Fault is what is wrong at one place of a policy file. Load and Parse join all that they
// find, in the order of the files and of the places in them.
type Fault = document.Fault

// Document is one that stands beside policies and is read as they are.
type Document = document.Document

// ParseDocuments reads documents that stand beside policies, such as those of people, by
// their files, as strictly as policies. Each kind has a function that gives a pointer to
// the struct for a document of it; those whose function is nil are left alone. It returns
// either documents without fault, in the order of files and lines, or an error that joins
// the *Fault of each.
func ParseDocuments(files map[string]string, kinds map[string]func() any) ([]Document, error) {
	var all []document.Kind
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		all = append(all, document.Kind{Name: name, New: kinds[name]})
	}
	reader, total := document.NewReader(all), 0
	for _, file := range slices.Sorted(maps.Keys(files)) {
		text := files[file]
		if total += len(text); len(text) > mostFile || total > mostBundle {
			return nil, fmt.Errorf("%s: a file holds at most %d bytes, and all of them %d", file, mostFile, mostBundle)
		}
		if legible(reader, file, text) {
			reader.Read(file, text)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, err
	}
	return reader.Documents(), nil
}

// Meant finds the word that was meant by one that is none: that which differs from it in
// the fewest slips of the pen (a letter too many, too few, wrong or exchanged with the next
// one). It is empty where none is near, and the first of several.
func Meant(word string, among []string) string { return document.Meant(word, among) }
