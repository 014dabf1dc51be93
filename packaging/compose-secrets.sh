#!/bin/sh
# Random keys for the profile `grown` of docker-compose.yml, in the directory it is run from: `.env` and `secrets/`.
# What is there already is kept: a database and a bucket that were made with it would not open any more.
set -eu
umask 077

for made in .env secrets; do
    if [ -e "$made" ]; then
        echo "$made is there already: nothing was changed" >&2
        exit 1
    fi
done
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
postgres=$(random) key=$(random) secret=$(random)

mkdir secrets
printf '%s' "$postgres" > secrets/postgres_password
cat > secrets/s3_identities.json <<END
{"identities": [{
  "name": "hulta",
  "credentials": [{"accessKey": "$key", "secretKey": "$secret"}],
  "actions": ["Read:footage", "Write:footage", "List:footage", "Tagging:footage"]
}]}
END
cat > .env <<END
HULTA_YAML=./examples/grown.yaml
POSTGRES_PASSWORD=$postgres
S3_ACCESS_KEY=$key
S3_SECRET_KEY=$secret
END
echo "made .env and secrets/"
