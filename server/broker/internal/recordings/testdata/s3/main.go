// Command s3 serves a directory as S3, with versions and object lock, for the tests.
//
//	s3 ADDRESS DIRECTORY
//
// The keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, address, directory string) error {
	objects, versions, kept := directory+"/objects", directory+"/versions", directory+"/kept"
	for _, one := range []string{objects, versions, kept} {
		if err := os.MkdirAll(one, 0o700); err != nil {
			return err
		}
	}
	// Beside the files: not every file system of a test machine has attributes.
	attributes, err := meta.NewSideCar(kept)
	if err != nil {
		return err
	}
	backend, err := posix.New(objects, attributes, posix.PosixOpts{VersioningDir: versions, SideCarDir: kept})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: os.Getenv("AWS_ACCESS_KEY_ID"), RootUserSecret: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		Region: "us-east-1", Ports: []string{address}, MaxConnections: 64, MaxRequests: 64, MultipartMaxParts: 10000, KeepAlive: true, Quiet: true,
	})
}
