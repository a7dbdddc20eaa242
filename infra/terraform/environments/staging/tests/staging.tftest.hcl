mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012", project_id = "tollgate-staging" }
  }
  mock_resource "google_service_account" {
    defaults = { member = "serviceAccount:somebody@tollgate-staging.iam.gserviceaccount.com" }
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
  project_id          = "tollgate-staging"
  host                = "pay.example.com"
  image_tag           = "v1"
  pager_emails        = ["on-call@example.com"]
  ticket_emails       = ["payments-team@example.com"]
  delivery_project_id = "tollgate-production"
}

run "as_it_comes" {
  command = apply

  # It comes up.
  assert {
    condition     = output.address != "" && toset(keys(output.manifests)) == toset(["payments", "provider-webhooks", "webhook-delivery", "settlement", "reconciliation"])
    error_message = "a function is missing"
  }
  assert {
    condition     = output.store_url == "spanner:projects/tollgate-staging/instances/tollgate/databases/tollgate"
    error_message = "another database"
  }

  # With test keys.
  assert {
    condition     = module.gateway.verifier_arguments[4] == "authorized"
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
      payments = "0", provider-webhooks = "0", webhook-delivery = "0", settlement = "0", reconciliation = "0"
    }
    error_message = "other instances than docs/capacity.md says"
  }

  # Also staging cannot be dropped.
  assert {
    condition     = module.gateway.recovery.point_in_time_recovery_hours >= 72 && module.gateway.recovery.is_protected
    error_message = "a restore could not be rehearsed here"
  }
}

run "somebody_is_woken" {
  command = plan
  variables {
    pager_emails = []
  }
  expect_failures = [var.pager_channels]
}

