# The image of every function: a static program, the certificates it trusts, and nothing around them.
# scripts/image builds the program, gathers these files into a context of their own and builds this: see it for what they are.
FROM scratch
# payments, provider-webhooks, webhook-delivery, settlement, reconciliation; or tollgate, the operator's command.
ARG FUNCTION
COPY etc/ /etc/
COPY ${FUNCTION} /app
# Every client reads its roots from there: our own, Google's, and Redis's.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/app"]
