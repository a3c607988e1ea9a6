// Package bench holds the policy language against another: the same policy, people and
// requests, judged by Bundle.Decide and by cedar-go in the same run.
package bench
