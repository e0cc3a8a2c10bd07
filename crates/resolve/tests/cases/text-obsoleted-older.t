# What obsoletes only older versions of a package does not take its place.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: tool 1 1 x86_64
#>=Pkg: tool 3 1 x86_64
#>=Pkg: all-tools 1 1 x86_64
#>=Obs: tool < 2
system x86_64 rpm system
job install text tool
result transaction,problems <inline>
#>install tool-3-1.x86_64@available
