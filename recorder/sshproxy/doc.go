// Package sshproxy terminates SSH, records it, and opens the connection to the
// target anew.
//
// A connection comes in one of two ways. In one hop the user is login@target,
// split at the last @: `ssh postgres@db1@stint`. Or through -J: the outer
// connection shows any valid certificate and may do nothing but open
// direct-tcpip channels to NAME:22, each of which the proxy answers with an SSH
// handshake of its own, as if it were NAME: `ssh -J stint postgres@db1`. Either
// way one authenticated connection to one login@target is one session, with one
// grant, one recording and one connection to the target.
//
// The path of a session, and the file that holds each part:
//
//	listen, handshake, -J           proxy.go, handshake.go, jump.go
//	the user certificate            certificate.go
//	who the proxy is, whom it
//	believes                        identity.go
//	start, target, end              session.go, open.go, target.go, close.go, ending.go
//	leases and endings              live.go
//	what one grant may have         grants.go
//	what its role lets a session do rules.go
//	channels, requests, copying     channel.go, request.go, copy.go
//	forwards, what the target may
//	open, agent and screen          forward.go, carry.go, agent.go, x11.go
//	how their bytes are recorded    track.go, and stint/recorder/files
//	saying no                       refuse.go
//
// Nothing goes to the target or back before the recording has it.
package sshproxy
