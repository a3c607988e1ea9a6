package document

import "strings"

// Bounds of a search for what somebody may have meant.
const (
	mostMeant  = 64   // characters of a word
	mostAmong  = 5000 // words
	farthest   = 3    // slips of the pen in one word
	slipLength = 3    // characters of a word for each slip that it may hold
)

// DidYouMean asks after the word that was meant, where one is near; else it is empty.
func DidYouMean(word string, among []string) string {
	if meant := Meant(word, among); meant != "" {
		return " Did you mean `" + meant + "`?"
	}
	return ""
}

// Meant finds the word that was meant by one that is none: that which differs from it in
// the fewest slips of the pen (a letter too many, too few, wrong or exchanged with the next
// one). It is empty where none is near, and the first of several.
func Meant(word string, among []string) string {
	low := strings.ToLower(word) // which may be longer
	if low == "" || len(low) > mostMeant {
		return ""
	}
	found, fewest := "", min(farthest, (len(low)+1)/slipLength)+1
	for _, other := range among[:min(len(among), mostAmong)] {
		if n := slips(low, strings.ToLower(other), fewest); n < fewest && other != word {
			found, fewest = other, n
		}
	}
	return found
}

// slips counts the slips between two words, of which the first has at most mostMeant
// bytes (the distance of Damerau and Levenshtein, in which no letter is moved twice), as
// long as there are fewer than most.
func slips(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	// Three rows of the table, of which each letter of a needs two before its own; and of
	// each row no more than what fewer slips than most can reach.
	var rows [3][mostMeant + 2*farthest + 2]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := &rows[(i+1)%3], &rows[(i+2)%3], &rows[i%3]
		from, to := max(1, i-most), min(len(b), i+most)
		row[from-1], row[to+1] = i, most
		least := i
		for j := from; j <= to; j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= most {
			return most
		}
	}
	return min(rows[len(a)%3][len(b)], most)
}
