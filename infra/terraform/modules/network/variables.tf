variable "project_id" {
  description = "The project of the network."
  type        = string
}

variable "region" {
  description = "The region of the functions."
  type        = string
}

variable "functions_range" {
  description = "The addresses of the functions' instances. Each takes one, twice as many while a release runs, and they are given back slowly: 5 functions with 50 instances need 1,000."
  type        = string
  default     = "10.8.0.0/21"
  validation {
    condition     = can(cidrhost(var.functions_range, 0)) && tonumber(split("/", var.functions_range)[1]) <= 22
    error_message = "functions_range is a range of 1,024 addresses (/22) or more."
  }
}

variable "services_range" {
  description = "The first address of the range (/24) that Google's services, such as Redis, get theirs from."
  type        = string
  default     = "10.9.0.0"
}
