package posture

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
)

// The questions to osquery: each one row, in which what osquery does not know is
// empty. A question that names a table which a platform has not fails whole, so
// each platform has its own.
const (
	osqueryLinux = "SELECT os.name, os.version, os.build," +
		" (SELECT MIN(d.encrypted) FROM mounts m JOIN disk_encryption d ON d.name = m.device_alias WHERE m.path = '/') AS disk_encryption," +
		" (SELECT secure_boot FROM secureboot) AS secure_boot FROM os_version os"
	osqueryDarwin = "SELECT os.name, os.version, os.build," +
		" (SELECT COUNT(*) > 0 FROM disk_encryption WHERE user_uuid IS NOT '' AND filevault_status = 'on') AS disk_encryption," +
		" (SELECT global_state FROM alf) AS firewall," +
		" (SELECT enabled FROM screenlock) AS screen_lock FROM os_version os"
)

// osqueryRow is the answer; osquery writes all values as text.
type osqueryRow struct {
	Name           string `json:"name"`
	Version        string `json:"version"`
	Build          string `json:"build"`
	DiskEncryption string `json:"disk_encryption"`
	SecureBoot     string `json:"secure_boot"`
	Firewall       string `json:"firewall"`
	ScreenLock     string `json:"screen_lock"`
}

// errSilent is osquery without an answer to one question.
var errSilent = errors.New("it does not know")

// osquery is asked once, and only if something else did not know.
func (m machine) osquery() sources {
	question := osqueryLinux
	if m.system == "darwin" {
		question = osqueryDarwin
	}
	var once sync.Once
	var row osqueryRow
	var failed error
	ask := func(ctx context.Context) (osqueryRow, error) {
		once.Do(func() { row, failed = say(ctx, m, parseOsquery, "osqueryi", "--json", question) })
		return row, failed
	}
	flag := func(column func(osqueryRow) string) source[bool] {
		return source[bool]{"osqueryi", func(ctx context.Context) (bool, error) {
			row, err := ask(ctx)
			if err != nil {
				return false, err
			}
			return osqueryFlag(column(row))
		}}
	}
	return sources{
		system: []source[System]{{"osqueryi", func(ctx context.Context) (System, error) {
			row, err := ask(ctx)
			if err == nil && (row.Name == "" || row.Version == "" || !plainWords(row.Name, row.Version, row.Build)) {
				err = errSilent
			}
			return System{Name: row.Name, Version: row.Version, Build: row.Build}, err
		}}},
		diskEncryption: []source[bool]{flag(func(r osqueryRow) string { return r.DiskEncryption })},
		firewall:       []source[bool]{flag(func(r osqueryRow) string { return r.Firewall })},
		secureBoot:     []source[bool]{flag(func(r osqueryRow) string { return r.SecureBoot })},
		screenLock: []source[ScreenLock]{{"osqueryi", func(ctx context.Context) (ScreenLock, error) {
			row, err := ask(ctx)
			if err != nil {
				return ScreenLock{}, err
			}
			on, err := osqueryFlag(row.ScreenLock)
			return ScreenLock{On: on}, err
		}}},
	}
}

// parseOsquery reads exactly one row.
func parseOsquery(text []byte) (osqueryRow, error) {
	var rows []osqueryRow
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) != 1 {
		return osqueryRow{}, errUnclear
	}
	return rows[0], nil
}

// osqueryFlag reads a number as on or off; a firewall that blocks everything is 2.
func osqueryFlag(text string) (bool, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 || number > 2 {
		return false, errSilent
	}
	return number > 0, nil
}
