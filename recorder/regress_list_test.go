//go:build e2e

package recorder_test

var regressScripts = []regressScript{
	{name: "connect"}, {name: "connect-uri"}, {name: "exit-status"}, {name: "exit-status-signal"}, {name: "transfer"},
	{name: "stderr-data"}, {name: "stderr-after-eof"}, {name: "broken-pipe"}, {name: "yes-head"},
	{name: "scp"}, {name: "scp3"}, {name: "scp-uri"},
	{name: "sftp"}, {name: "sftp-cmds"}, {name: "sftp-badcmds"}, {name: "sftp-batch"}, {name: "sftp-glob"}, {name: "sftp-perm"}, {name: "sftp-uri"},
	{name: "portnum"}, {name: "localcommand"}, {name: "host-expand"},
	{name: "kextype", soak: true}, {name: "rekey", soak: true}, {name: "integrity", soak: true}, {name: "try-ciphers", soak: true},
	{name: "forwarding", soak: true, ports: true}, {name: "dynamic-forward", soak: true, ports: true},
	{name: "multiplex", soak: true, ports: true}, {name: "dhgex", soak: true}, {name: "keyscan", soak: true}, {name: "cipher-speed", soak: true}, {name: "login-timeout", soak: true},
}
