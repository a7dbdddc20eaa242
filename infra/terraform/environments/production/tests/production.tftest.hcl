mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012", project_id = "tollgate-production" }
  }
  mock_resource "google_service_account" {
    defaults = { member = "serviceAccount:somebody@tollgate-production.iam.gserviceaccount.com" }
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
  project_id    = "tollgate-production"
  host          = "pay.example.com"
  image_tag     = "v1"
  pager_emails  = ["on-call@example.com"]
  ticket_emails = ["payments-team@example.com"]
  staging       = { project_id = "tollgate-staging", project_number = "111111111111" }
}

run "as_it_comes" {
  command = apply

  # It comes up.
  assert {
    condition     = output.address != "" && toset(keys(output.manifests)) == toset(["payments", "provider-webhooks", "webhook-delivery", "settlement", "reconciliation"])
    error_message = "a function is missing"
  }
  assert {
    condition     = output.store_url == "spanner:projects/tollgate-production/instances/tollgate/databases/tollgate"
    error_message = "another database"
  }

  # With live keys.
  assert {
    condition     = module.gateway.verifier_arguments[4] == "failed"
    error_message = "the verifier, started by hand, waits for another end than its payment can have"
  }

  # Only two functions are open.
  assert {
    condition     = module.gateway.public_functions == tolist(["payments", "provider-webhooks"])
    error_message = "allUsers may call another function"
  }

  # Its instances are the capacity plans.
  assert {
    condition = { for name, manifest in output.manifests : name => yamldecode(manifest).spec.template.metadata.annotations["autoscaling.knative.dev/minScale"] } == {
      payments = "3", provider-webhooks = "2", webhook-delivery = "1", settlement = "1", reconciliation = "1"
    }
    error_message = "other instances than docs/capacity.md says"
  }
  assert {
    condition = { for name, manifest in output.manifests : name => yamldecode(manifest).spec.template.metadata.annotations["autoscaling.knative.dev/maxScale"] } == {
      payments = "50", provider-webhooks = "20", webhook-delivery = "20", settlement = "2", reconciliation = "2"
    }
    error_message = "other instances at most than docs/capacity.md says"
  }

  # Images and releases are here.
  assert {
    condition     = output.registry == "asia-northeast1-docker.pkg.dev/tollgate-production/tollgate"
    error_message = "staging looks for images elsewhere"
  }
  assert {
    condition     = toset(keys(module.delivery.pipelines)) == toset(keys(output.manifests))
    error_message = "a function that no release reaches"
  }
  assert {
    condition     = module.delivery.phases == ["canary-10", "canary-50", "stable"]
    error_message = "another canary"
  }

  # One trace in twenty is kept.
  assert {
    condition     = alltrue([for name, it in module.gateway.environment : endswith(it.OTEL_TRACES_SAMPLER, "traceidratio") && it.OTEL_TRACES_SAMPLER_ARG == "0.05"])
    error_message = "every trace is kept, and paid for"
  }

  # It is watched.
  assert {
    condition     = toset(keys(module.observability.objectives)) == toset(["availability", "latency", "webhooks", "settlement", "provider-stripe", "provider-paypal", "provider-bank"])
    error_message = "Cloud Monitoring does not keep the objectives"
  }

  # The recovery window is a week and there is a standby.
  assert {
    condition     = module.gateway.recovery.point_in_time_recovery_hours == 168 && module.gateway.recovery.is_protected && module.gateway.recovery.has_standby
    error_message = "production is kept worse than it could be"
  }
}

run "somebody_is_woken" {
  command = plan
  variables {
    pager_emails = []
  }
  expect_failures = [var.pager_channels]
}


run "a_restored_database_takes_the_old_ones_place" {
  command = apply
  variables {
    database_name = "tollgate-2"
  }

  # What restore.md has Terraform do: functions, alerts and backups follow the name.
  assert {
    condition     = output.store_url == "spanner:projects/tollgate-production/instances/tollgate/databases/tollgate-2" && module.gateway.spanner.database == "tollgate-2"
    error_message = "the next release would go back to the old database"
  }
}

run "a_tenth_of_the_budget_in_an_hour_is_told_to_others_too" {
  command = apply
  variables {
    escalation_emails = ["head@example.com"]
  }
  assert {
    condition     = length(module.observability.notification_channels.escalate) == 2 && length(module.observability.notification_channels.page) == 1
    error_message = "it escalates to nobody"
  }
}

run "a_pager_is_woken_beside_the_mail" {
  command = apply
  variables {
    pager_channels = ["projects/tollgate-production/notificationChannels/123"]
  }
  assert {
    condition     = contains(module.observability.notification_channels.page, "projects/tollgate-production/notificationChannels/123") && length(module.observability.notification_channels.page) == 2
    error_message = "the pager does not hear of a page"
  }
}
