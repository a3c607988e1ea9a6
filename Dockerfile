# One image with the three processes and the command line: `make build` first,
# then `docker build -t stint .`, and for example
#
#   docker run -v broker:/data -v ./broker.json:/etc/stint/broker.json:ro stint stint-broker --config /etc/stint/broker.json
#
# Nothing is compiled here, so what runs is what was tested.
FROM debian:12-slim AS files
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && mkdir /data /scratch && chown 65532:65532 /data && chmod 700 /data && chmod 1777 /scratch

FROM scratch
COPY --from=files /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=files --chown=65532:65532 /data /data
COPY --from=files /scratch /tmp
COPY .build/bin/stint-broker .build/bin/stint-signer .build/bin/stint-proxy .build/bin/stint /usr/bin/
ENV PATH=/usr/bin
USER 65532:65532
VOLUME /data
CMD ["stint", "--help"]
