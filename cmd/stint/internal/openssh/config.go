package openssh

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/agent"
	"stint/server/api"
)

// authentications are how ssh shows who it is. The second asks nothing: when no
// key is let in, the proxy answers it with the reason.
const authentications = "publickey,keyboard-interactive"

// Options are ssh's -o options that reach a target through a proxy in one hop,
// with a key of the agent at socket. The proxy shows itself by the target's name, which only
// those that may open it can.
func Options(c Credential, proxy api.Proxy, files Files, socket string) ([]string, error) {
	host, port, err := hostAndPort(proxy)
	if err != nil {
		return nil, err
	}
	known, err := account.KnownHosts()
	if err != nil {
		return nil, err
	}
	options := []string{
		"HostName=" + host, "Port=" + port, "User=" + c.Login + "@" + c.Target,
		"HostKeyAlias=" + c.Target, "UserKnownHostsFile=" + quoted(known), "GlobalKnownHostsFile=none",
		"StrictHostKeyChecking=yes", "ProxyJump=none", "ProxyCommand=none",
		"IdentityAgent=" + quoted(socket), "IdentitiesOnly=yes",
		"IdentityFile=" + quoted(files.Public), "CertificateFile=" + quoted(files.Certificate),
		"PreferredAuthentications=" + authentications, "ControlPath=none",
	}
	arguments := make([]string, 0, 2*len(options))
	for _, option := range options {
		arguments = append(arguments, "-o", option)
	}
	return arguments, nil
}

// What the broker names goes into ssh's configuration, where a line break or an
// option would act; only these shapes do.
var (
	plainHost = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)
	plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$`)
)

// hostAndPort splits the proxy's address and refuses any that is not plain.
func hostAndPort(proxy api.Proxy) (host, port string, err error) {
	host, port, err = net.SplitHostPort(proxy.Address)
	number, numberErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numberErr != nil || number == 0 || (!plainHost.MatchString(host) && net.ParseIP(host) == nil) {
		return "", "", fmt.Errorf("the proxy's address %q is not host:port", proxy.Address)
	}
	return host, port, nil
}

// quoted makes a path one word of ssh_config.
func quoted(path string) string {
	return `"` + strings.ReplaceAll(path, "%", "%%") + `"`
}

// Config is the block for ~/.ssh/config after which plain ssh, scp, sftp, rsync,
// git and ssh -J reach every target that the person may ask for. Executable is
// the path of this program.
func Config(trust api.Trust, executable string) (string, error) {
	if len(trust.Proxies) == 0 {
		return "", ErrNoProxy
	}
	host, port, err := hostAndPort(trust.Proxies[0])
	if err != nil {
		return "", err
	}
	dir, err := account.Directory()
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(trust.Targets))
	for _, target := range trust.Targets {
		if !plainName.MatchString(target.Name) {
			return "", fmt.Errorf("the target %q cannot stand in ssh's configuration", target.Name)
		}
		names = append(names, target.Name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "", errors.New("the policy has no targets yet")
	}
	known := quoted(filepath.Join(dir, "known_hosts"))
	// The file serves where the command does not run; it is written at each activation.
	program := `"` + strings.ReplaceAll(strings.ReplaceAll(executable, "%", "%%"), `"`, `\"`) + `"`
	command := program + ` known-hosts %H`
	socket := quoted(agent.Socket(dir))
	var b strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	line("# Stint: made by `stint ssh-config`; make it anew when targets or proxies change.")
	// With one proxy there is nothing to choose, at the cost of a process a connection.
	jump := "stint"
	if len(trust.Proxies) == 1 {
		line("Host stint")
		line("    HostName %s", host)
		line("    Port %s", port)
		line("    HostKeyAlias %s", host)
	} else {
		jump = "%n" + dialSuffix
		line("Host stint *%s", dialSuffix)
		line("    ProxyCommand %s dial %%n", program)
		line("    ProxyUseFdpass yes")
		line("    HostKeyAlias %s", anyProxy)
	}
	line("    User stint")
	line("    UserKnownHostsFile %s", known)
	line("    KnownHostsCommand %s", command)
	line("    GlobalKnownHostsFile none")
	line("    StrictHostKeyChecking yes")
	line("    IdentityAgent %s", socket)
	line("    PreferredAuthentications %s", authentications)
	line("")
	// The quotes keep a shell from reading what an address such as ssh://$(date)@db1
	// names as a login; OpenSSH refuses such logins itself from 9.6 on.
	line("# Activates the grant before ssh connects; says what to do where there is none.")
	line("Match originalhost %s exec \"%s activate --quiet -- '%%r@%%n'\"", strings.Join(names, ","), shellWord(executable))
	line("")
	line("Host %s", strings.Join(names, " "))
	line("    ProxyJump %s", jump)
	line("    UserKnownHostsFile %s", known)
	line("    KnownHostsCommand %s", command)
	line("    GlobalKnownHostsFile none")
	line("    StrictHostKeyChecking yes")
	line("    IdentityAgent %s", socket)
	line("    IdentitiesOnly yes")
	line("    IdentityFile %s", `"`+filepath.Join(strings.ReplaceAll(dir, "%", "%%"), "ssh", "%r@%n.pub")+`"`)
	line("    CertificateFile %s", `"`+filepath.Join(strings.ReplaceAll(dir, "%", "%%"), "ssh", "%r@%n-cert.pub")+`"`)
	line("    PreferredAuthentications %s", authentications)
	return b.String(), nil
}

// shellWord quotes a path for the shell that ssh gives Match exec to, inside the
// double quotes of ssh_config.
func shellWord(path string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(path, "%", "%%"), "'", `'\''`) + "'"
}
