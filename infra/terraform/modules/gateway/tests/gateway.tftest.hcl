mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012", project_id = "tollgate-test" }
  }
  mock_resource "google_service_account" {
    defaults = {
      member = "serviceAccount:somebody@tollgate-test.iam.gserviceaccount.com"
    }
  }
  mock_resource "google_redis_instance" {
    defaults = {
      host            = "10.9.0.3"
      port            = 6378
      auth_string     = "made-up"
      server_ca_certs = [{ cert = "certificate", create_time = "", expire_time = "", serial_number = "", sha1_fingerprint = "" }]
    }
  }
}

variables {
  project_id = "tollgate-test"
  region     = "asia-northeast1"
  host       = "pay.example.com"
  images     = { registry = "asia-northeast1-docker.pkg.dev/tollgate-test/tollgate", tag = "v1" }
  sizes = {
    payments          = { min_instances = 3 }
    provider-webhooks = { min_instances = 2 }
    webhook-delivery  = { min_instances = 1 }
    settlement        = { min_instances = 1, max_instances = 5 }
    reconciliation    = { min_instances = 1, max_instances = 5 }
  }
  database = { min_processing_units = 1000, max_processing_units = 3000 }
}

run "as_it_comes" {
  command = apply

  # Anybody may call the two public functions and no other.
  assert {
    condition     = output.public_functions == tolist(["payments", "provider-webhooks"])
    error_message = "allUsers may call another function"
  }
  assert {
    condition     = toset(output.routed_paths) == toset(["/v1", "/v1/*", "/return/*", "/webhooks/*"])
    error_message = "another path is routed from outside"
  }

  # Each function runs as itself.
  assert {
    condition     = length(distinct(values(output.accounts))) == 5
    error_message = "two functions share an account"
  }

  # Every push has a dead letter and ends where it is kept.
  assert {
    condition     = alltrue([for name, queue in output.queues : queue.dead_letter_topic != null if queue.is_pushed])
    error_message = "a push subscription without a dead letter"
  }
  assert {
    condition     = [for name, queue in output.queues : name if !queue.is_pushed] == ["undeliverable"]
    error_message = "messages end in several places, or nowhere"
  }
  # In two steps at most, so there is no circle.
  assert {
    condition = alltrue([for name, queue in output.queues : contains([
      output.queues.undeliverable.topic,
      ], try(one([for it in values(output.queues) : it.dead_letter_topic if it.topic == queue.dead_letter_topic && it.is_pushed]), null) == null
      ? queue.dead_letter_topic
      : one([for it in values(output.queues) : it.dead_letter_topic if it.topic == queue.dead_letter_topic && it.is_pushed])
    ) if queue.is_pushed])
    error_message = "a dead letter goes round in circles"
  }
  assert {
    condition     = output.dead_letter_subscription == "undeliverable"
    error_message = "nobody is told of what ends there"
  }

  # Providers events are pushed for hours and kept for a month.
  assert {
    condition     = output.queues.provider-events.dead_letter_topic == output.queues.provider-events-late.topic && output.queues.provider-events-late.dead_letter_topic == output.queues.undeliverable.topic
    error_message = "a provider's event is given up"
  }

  # Each function is told what it needs.
  assert {
    condition = alltrue([for name in ["payments", "provider-webhooks", "webhook-delivery", "settlement", "reconciliation"] :
      length(setsubtract([
        "STORE_URL", "QUEUE_URL", "COUNTERS_URL", "COUNTERS_INSTANCES", "SECRETS_KEY", "PUBLIC_URL", "TRUSTED_PROXIES",
        "GOOGLE_CLOUD_PROJECT", "OTEL_EXPORTER_OTLP_ENDPOINT", "SSL_CERT_DIR",
      ], output.environment_names[name])) == 0
    ])
    error_message = "a variable is missing that every function reads"
  }
  assert {
    condition = alltrue([for name in ["payments", "provider-webhooks", "reconciliation"] :
      contains(output.environment_names[name], "STRIPE_SECRET_KEY") && contains(output.environment_names[name], "STRIPE_WEBHOOK_SECRET")
    ])
    error_message = "a function that calls Stripe has no key"
  }
  assert {
    condition = alltrue([for name in ["webhook-delivery", "settlement"] :
      length([for it in output.environment_names[name] : it if can(regex("^(STRIPE|PAYPAL|BANK)_", it))]) == 0
    ])
    error_message = "a function has a provider's key that it does not need"
  }
  assert {
    condition     = alltrue([for name, it in output.environment : it.STORE_URL == "spanner:projects/tollgate-test/instances/tollgate/databases/tollgate" && it.QUEUE_URL == "pubsub:projects/tollgate-test/topics/payment-events" && it.PUBLIC_URL == "https://pay.example.com"])
    error_message = "another store, queue or address"
  }

  # Callers are known by tokens.
  assert {
    condition     = alltrue([for name in ["webhook-delivery", "settlement", "reconciliation"] : output.environment[name].OIDC_MODE == "cloud-run-iam"])
    error_message = "Cloud Run has checked the tokens of internal functions"
  }
  assert {
    condition     = output.environment.provider-webhooks.OIDC_MODE == "verify"
    error_message = "anybody may call provider-webhooks, so it has to check tokens itself"
  }
  assert {
    condition     = !contains(keys(output.environment.payments), "OIDC_MODE")
    error_message = "payments has no internal routes"
  }
  assert {
    condition = alltrue([for name in ["provider-webhooks", "webhook-delivery", "settlement", "reconciliation"] :
      output.environment[name].OIDC_AUDIENCE == "https://tollgate-${name}-123456789012.asia-northeast1.run.app" && length(output.environment[name].OIDC_SERVICE_ACCOUNTS) > 0
    ])
    error_message = "tokens are for somebody else, or anybody's"
  }
  assert {
    condition     = length(split(",", output.environment.webhook-delivery.OIDC_SERVICE_ACCOUNTS)) == 2
    error_message = "webhook-delivery is called by pushes and by schedules"
  }

  # Addresses of callers are read as the way in writes them.
  assert {
    condition     = output.environment.payments.TRUSTED_PROXIES == "2" && output.environment.provider-webhooks.TRUSTED_PROXIES == "2"
    error_message = "behind the load balancer there are two entries"
  }
  assert {
    condition     = alltrue([for name in ["webhook-delivery", "settlement", "reconciliation"] : output.environment[name].TRUSTED_PROXIES == "1"])
    error_message = "Cloud Run alone writes one entry"
  }

  # Limits are shared out by instances and refusals reach the function.
  assert {
    condition     = alltrue([for name, it in output.environment : it.COUNTERS_INSTANCES == tostring(50 + 50 + 5)])
    error_message = "without Redis the instances would take more than the limit"
  }
  assert {
    condition     = alltrue([for name in ["payments", "provider-webhooks"] : yamldecode(output.manifests[name]).spec.template.spec.containerConcurrency == 1000 && tonumber(output.environment[name].ADMISSION_CONCURRENCY) < 1000 && yamldecode(output.manifests[name]).spec.template.metadata.annotations["run.googleapis.com/scaling-concurrency-target"] == "0.1"])
    error_message = "Cloud Run's line comes before ours: a refusal would wait in it"
  }
  assert {
    condition     = yamldecode(output.manifests.settlement).spec.template.spec.timeoutSeconds == 1800
    error_message = "a settlement is cut off"
  }

  # The jobs are all there.
  assert {
    condition     = toset(keys(output.jobs)) == toset(["deliveries", "settlement", "stuck-payments", "provider-truth", "invariants", "provider-records", "provider-records-day"])
    error_message = "a job that nobody calls"
  }

  assert {
    condition = output.schedules == {
      deliveries     = "* * * * * Asia/Tokyo, 180s"
      settlement     = "0 2-23 * * * Asia/Tokyo, 1800s"
      stuck-payments = "*/10 * * * * Asia/Tokyo, 180s"
      provider-truth = "20 * * * * Asia/Tokyo, 180s"
      invariants     = "40 * * * * Asia/Tokyo, 180s"

      provider-records     = "50 * * * * Asia/Tokyo, 180s"
      provider-records-day = "10 14-17 * * * Asia/Tokyo, 180s"
    }
    error_message = "a job is called at another time than runbooks and alerts expect, or is cut off"
  }

  assert {
    condition     = output.queues.settlement-shards.is_pushed && output.queues.settlement-shards.dead_letter_topic == output.queues.undeliverable.topic
    error_message = "a push subscription without a dead letter"
  }
}

run "settlements_need_not_be_split" {
  command = apply
  variables {
    has_settlement_shards = false
  }
  assert {
    condition     = !contains(keys(output.queues), "settlement-shards")
    error_message = "a topic that nobody publishes to"
  }
}

run "providers_are_switched_on_with_all_that_they_need" {
  command = apply
  variables {
    paypal = { api_url = "https://api-m.paypal.com" }
    bank   = { api_url = "https://bank.example", signing_key_id = "key", creditor_account = "12345612345678", creditor_name = "Shop" }
  }
  assert {
    condition = length(setsubtract([
      "PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET", "PAYPAL_WEBHOOK_ID", "PAYPAL_API_URL",
      "BANK_CLIENT_ID", "BANK_SIGNING_KEY", "BANK_API_URL", "BANK_SIGNING_KEY_ID", "BANK_CREDITOR_ACCOUNT", "BANK_CREDITOR_NAME",
    ], output.environment_names.payments)) == 0
    error_message = "a provider would be refused at start"
  }
}

run "a_function_that_nobody_sized_is_refused" {
  command = plan
  variables {
    sizes = { payments = { min_instances = 3 } }
  }
  expect_failures = [var.sizes]
}
