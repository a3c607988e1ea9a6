package posture

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// agents maps the processes of endpoint detection and response to products.
var agents = map[string]string{
	"falcon-sensor":                       "CrowdStrike Falcon",
	"falcon-sensor-bpf":                   "CrowdStrike Falcon",
	"falcond":                             "CrowdStrike Falcon",
	"com.crowdstrike.falcon.Agent":        "CrowdStrike Falcon",
	"wdavdaemon":                          "Microsoft Defender for Endpoint",
	"wdavdaemon_enterprise":               "Microsoft Defender for Endpoint",
	"mdatp":                               "Microsoft Defender for Endpoint",
	"s1-agent":                            "SentinelOne",
	"sentinelone-agent":                   "SentinelOne",
	"sentineld":                           "SentinelOne",
	"SentinelAgent":                       "SentinelOne",
	"cbagentd":                            "VMware Carbon Black",
	"cbdaemon":                            "VMware Carbon Black",
	"CbOsxSensorService":                  "VMware Carbon Black",
	"traps_pmd":                           "Cortex XDR",
	"elastic-endpoint":                    "Elastic Defend",
	"com.elastic.systemextension":         "Elastic Defend",
	"cylancesvc":                          "CylancePROTECT",
	"CylanceSvc":                          "CylancePROTECT",
	"ds_agent":                            "Trend Micro Deep Security",
	"sophos_managementagent":              "Sophos",
	"SophosScanD":                         "Sophos",
	"com.sophos.endpoint.scanextension":   "Sophos",
	"wazuh-agentd":                        "Wazuh",
	"JamfProtect":                         "Jamf Protect",
	"com.jamf.protect.security-extension": "Jamf Protect",
	"santad":                              "Santa",
	"com.google.santa.daemon":             "Santa",
	"com.northpolesec.santa.daemon":       "Santa",
	"osqueryd":                            "osquery",
}

// linuxNames is how much of a process's name Linux keeps.
const linuxNames = 15

// parseProcesses finds the products among the names of processes: one a line, on
// macOS with their path, on Linux cut to 15 bytes.
func parseProcesses(text []byte) ([]string, error) {
	short := map[string]string{}
	for name, product := range agents {
		short[name[:min(len(name), linuxNames)]] = product
	}
	found, processes := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		name := path.Base(strings.TrimSpace(line))
		processes++
		if product, ok := agents[name]; ok {
			found[product] = true
		} else if product, ok := short[name]; ok && len(name) == linuxNames {
			found[product] = true
		}
	}
	// Whoever lists processes lists itself.
	if processes < 2 {
		return nil, errUnclear
	}
	products := slices.Sorted(maps.Keys(found))
	if products == nil {
		products = []string{}
	}
	return products, nil
}
