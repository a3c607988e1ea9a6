package policies

import "slices"

// teamIndex finds teams by the groups that they name, so that a decision does not go
// through all of them for each person.
type teamIndex struct {
	members, managers map[string][]int // places in Bundle.teams, by group
}

func newTeamIndex(teams []Team) teamIndex {
	index := teamIndex{members: map[string][]int{}, managers: map[string][]int{}}
	for i := range teams {
		for _, group := range teams[i].Members {
			index.members[group] = append(index.members[group], i)
		}
		for _, group := range teams[i].Managers {
			index.managers[group] = append(index.managers[group], i)
		}
	}
	return index
}

// inGroups lists the places, in one of the index' maps, of all teams that name one of the
// groups, each once and in their order.
func inGroups(index map[string][]int, groups []string) []int {
	places := make([]int, 0, len(groups))
	for _, group := range groups {
		places = append(places, index[group]...)
	}
	slices.Sort(places)
	return slices.Compact(places)
}
